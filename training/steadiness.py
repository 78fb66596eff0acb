"""A fused picture that stands still where its sources do, as the next frame of a video asks for.

Frames of a video differ by the sensors' noise, and by what moves elsewhere in them. Here a frame's
successor is drawn: the same frame with faint smooth noise, of another strength in each source, and
in half of them something bright or dark that has come in. Where nothing came in, the fused picture
may change by as much as its less steady source. It is the measure of `benchmarks.targets.flicker`.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.filters import blur

NOISE = 2 / 255  # most that a source changes by, standard deviation
SIGMA = 2  # pixels, of the blur of all changes, as in the measure
COARSE = 8  # pixels a side that share half of the noise
STEP = 0.7  # most that either source changes by where something comes in
RADIUS = (0.03, 0.2)  # of what comes in, as shares of the frame's shorter side
BORDER = 6  # pixels around it that may change with it: the reach of the blur
FLOOR = 0.1 / 255  # mean change of the sources below which the term grows no more


def successor(frames: Tensor) -> tuple[Tensor, Tensor]:
    """The frame after each, and where it shows the same.

    Args:
        frames: (N, 2, H, W), luminance and infrared, in [0, 1].

    Returns:
        The frames, same shape, and (N, 1, H, W) of 0 and 1.
    """
    number, _, height, width = frames.shape
    strength = NOISE * torch.rand(number, 2, 1, 1, device=frames.device)
    coarse = torch.randn(number, 2, height // COARSE + 1, width // COARSE + 1, device=frames.device)
    coarse = F.interpolate(coarse, scale_factor=COARSE, mode="bilinear")[..., :height, :width]
    noise = strength * (torch.randn_like(frames) + coarse / 4)
    whether, row, column, size, *change = torch.rand(6, number, 1, 1, 1, device=frames.device)
    low, high = (share * min(height, width) for share in RADIUS)
    radius = torch.where(whether < 0.5, low + (high - low) * size, -BORDER)
    rows = torch.arange(height, device=frames.device)[:, None] - height * row
    columns = torch.arange(width, device=frames.device) - width * column
    distance = (rows**2 + columns**2).sqrt()  # (N, 1, H, W)
    comes_in = (distance < radius) * (STEP * (2 * torch.cat(change, dim=1) - 1))
    second = (frames + noise + comes_in).clamp(0, 1)
    return second, (distance >= radius + BORDER).to(frames.dtype)


def unsteadiness(fused: Tensor, sources: Tensor, still: Tensor) -> Tensor:
    """Change of the fused picture beyond its less steady source's, as a share of that one's.

    Args:
        fused: how the fused picture changes from one frame to the next, (N, 1, H, W), raw.
        sources: how its sources do, (N, 2, H, W).
        still: where both frames show the same, (N, 1, H, W).
    """
    fused, sources = blur(fused, SIGMA).abs(), blur(sources, SIGMA).abs()
    mean = (sources * still).mean((2, 3)).amax(1) + FLOOR  # (N)
    beyond = F.relu(fused - sources.amax(1, keepdim=True)) * still
    return (beyond.mean((1, 2, 3)) / mean).mean()
