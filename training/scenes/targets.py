"""A pair of frames, and what is to be found in it: exact masks of people, animals and vehicles."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

TargetKind = Literal["person", "animal", "vehicle"]
PLAIN = 20.0
"""Grey levels by which a target differs from what surrounds it, in one frame at least."""
SMALLEST = 2e-4
"""Of the frame's area: 61 pixels of 480x640. Less is not shown plainly."""
HIDDEN = 0.5
"""A target of which other things cover more than this share is not shown plainly."""


@dataclass(frozen=True)
class Target:
    """Something to be found: `mask` (H, W) bool is where it covers more than half a pixel."""

    kind: TargetKind
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """Aligned frames: `visible` uint8 (H, W, 3) BGR, `infrared` uint8 (H, W); and targets."""

    visible: NDArray[np.uint8]
    infrared: NDArray[np.uint8]
    targets: list[Target]


def contrast(frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Mean over a mask minus the median of the ring around its box, in grey levels.

    The ring is half as wide as the box's shorter side, three pixels at least.

    Args:
        frame: (H, W).
        mask: (H, W), not empty.
    """
    x, y, wide, tall = cv2.boundingRect(mask.astype(np.uint8))
    rim = max(3, min(wide, tall) // 2)
    around = np.zeros_like(mask)
    around[max(0, y - rim) : y + tall + rim, max(0, x - rim) : x + wide + rim] = True
    around[y : y + tall, x : x + wide] = False
    ring = frame[around]
    return float(frame[mask].mean() - np.median(ring)) if ring.size else 0.0


def plain(scene: Scene) -> Scene:
    """The scene with those targets only that one frame at least shows plainly."""
    frames = cv2.cvtColor(scene.visible, cv2.COLOR_BGR2GRAY), scene.infrared
    shown = [
        target
        for target in scene.targets
        if target.mask.mean() >= SMALLEST
        and max(abs(contrast(frame, target.mask)) for frame in frames) >= PLAIN
    ]
    return Scene(scene.visible, scene.infrared, shown)
