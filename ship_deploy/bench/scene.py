"""Frames to measure with: a drawn scene, and two cameras that show it."""

import threading
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.results import Clock
from ship_deploy.streams.sources import Grabbed


def draw(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A pair with large and small structure: visible (H, W, 3), infrared (H, W); always the same.

    Networks take the same time for all frames of a size.
    """
    random = np.random.default_rng(0)
    pair = []
    for channels in (3, 1):
        coarse = random.integers(40, 216, (height // 16 + 1, width // 16 + 1, channels), np.uint8)
        large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        fine = random.integers(-12, 13, (height, width, channels), np.int16)
        pair.append((large.reshape(fine.shape) + fine).clip(0, 255).astype(np.uint8))
    return pair[0], np.ascontiguousarray(pair[1][..., 0])


class DrawnCamera:
    """A live source that gives one picture at a rate; a `Source`, and its own `Capture`.

    Args:
        name: of it.
        image: uint8, (H, W, 3) or (H, W).
        rate: frames per second.
    """

    live = True
    clock: Clock = "own"

    def __init__(self, name: str, image: NDArray[np.uint8], rate: float) -> None:
        self.name, self._image, self._period = name, image, 1 / rate
        self._due = 0.0
        self._closed = threading.Event()

    def open(self) -> "DrawnCamera":
        """Begin; both cameras of a rig that begin together stay together."""
        self._due = (time.monotonic() // self._period + 1) * self._period
        return self

    def read(self) -> Grabbed | None:
        """The next frame, when it is due; what nobody took meanwhile is gone."""
        self._closed.wait(max(0.0, self._due - time.monotonic()))
        stamp = self._due
        late = max(0.0, time.monotonic() - self._due)
        self._due += (late // self._period + 1) * self._period
        return self._image.copy(), stamp

    def close(self) -> None:
        """Nothing is held."""
