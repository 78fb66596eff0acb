"""Fidelity: how far a deployed model is from the reference network in FP64."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ship_deploy.errors import UserError
from training.colour import fuse_frames, split
from training.scenes import render

RAW_TOLERANCE = 1e-4  # of the unclamped luminance, whose nominal range is [0, 1]
LEVELS_TOLERANCE = 1  # grey levels that any sample of a fused frame may be off ...
SHARE_TOLERANCE = 1e-3  # ... and the share of samples that may be
SIZES = ((144, 192), (101, 134))  # height, width: one that factors well, one that doesn't

Frames = NDArray[np.uint8]
Run = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Fidelity:
    """Worst deviations from the reference network in FP64 over a set of frames.

    Attributes:
        raw_error: of the unclamped luminance; NaN if that was not measured.
        levels: of the fused 8-bit frame, in grey levels.
        share: of samples of fused frames that are off at all.
        sizes: of the frames, such as "144x192".
    """

    raw_error: float
    levels: int
    share: float
    sizes: str

    def check(self, name: str) -> None:
        """Raise a UserError that names what is out of tolerance, NaN included."""
        if not self.raw_error <= RAW_TOLERANCE:
            raise UserError(
                f"{name}: {self.raw_error:.1e} from the reference network, "
                f"tolerance {RAW_TOLERANCE:.0e}"
            )
        if self.levels > LEVELS_TOLERANCE or self.share > SHARE_TOLERANCE:
            raise UserError(
                f"{name}: {self.levels} grey levels from the reference network, {self.share:.2%} "
                f"of the samples off; tolerance {LEVELS_TOLERANCE} level, {SHARE_TOLERANCE:.1%}"
            )


def scenes(sizes: Iterable[tuple[int, int]]) -> list[tuple[Frames, Frames]]:
    """Rendered frames, a batch of two for each size: visible (2, H, W, 3), infrared (2, H, W)."""
    batches = []
    for number, (height, width) in enumerate(sizes):
        pairs = [render(2 * number + i, height, width) for i in range(2)]
        batches.append((np.stack([v for v, _ in pairs]), np.stack([i for _, i in pairs])))
    return batches


def measure(
    network: nn.Module, luminance: Run, frames: Run, batches: Iterable[tuple[Frames, Frames]]
) -> Fidelity:
    """Compare a model's two graphs with the network that they were made from.

    Args:
        network: the reference, one of `training.networks`, in eval mode.
        luminance: runs the luminance graph.
        frames: runs the frames graph.
        batches: visible (N, H, W, 3) and infrared (N, H, W), uint8.
    """
    reference = copy.deepcopy(network).double()
    raw_error, levels, off, samples, sizes = 0.0, 0, 0, 0, []
    for visible, infrared in batches:
        sizes.append(f"{infrared.shape[1]}x{infrared.shape[2]}")
        bgr, heat = torch.from_numpy(visible), torch.from_numpy(infrared)
        with torch.inference_mode():
            expected, expected_raw = (t.numpy() for t in fuse_frames(reference, bgr, heat))
            visible_y = split(bgr.permute(0, 3, 1, 2) / 255)[0].numpy()
        raw = luminance(visible_y, (heat[:, None] / 255).numpy())
        error = np.abs(raw - expected_raw).max()
        raw_error = max(raw_error, float(error)) if error == error else float("nan")
        difference = np.abs(frames(visible, infrared).astype(int) - expected)
        levels = max(levels, int(difference.max()))
        off += int(np.count_nonzero(difference))
        samples += difference.size
    return Fidelity(raw_error, levels, off / samples, " ".join(sizes))
