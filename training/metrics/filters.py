"""Separable filters on batches of grey images.

Sums of shifted images: torch has no fast convolution in FP64, and this is five times as fast.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def separable(
    images: Tensor, along_y: Sequence[float], along_x: Sequence[float], border: str | None
) -> Tensor:
    """Correlate (N, H, W) with the outer product of two kernels of odd size.

    Args:
        images: float.
        along_y: weights.
        along_x: weights.
        border: a mode of `torch.nn.functional.pad`, for a result of the same size; "reflect" leaves
            out the border pixel itself. None keeps only what needs no border.
    """
    if border:
        across, down = len(along_x) // 2, len(along_y) // 2
        images = F.pad(images[:, None], (across, across, down, down), mode=border)[:, 0]
    return _along(_along(images, along_x, 2), along_y, 1)


def sobel(images: Tensor, border: str) -> tuple[Tensor, Tensor]:
    """Slopes of (N, H, W) along x and along y, 8 times the step per pixel."""
    return (
        separable(images, (1, 2, 1), (-1, 0, 1), border),
        separable(images, (-1, 0, 1), (1, 2, 1), border),
    )


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, H, W); the kernel ends at 4 sigma, as OpenCV's does for floats."""
    weights = gaussian(sigma, round(4 * sigma))
    return separable(images, weights, weights, "reflect")


def gaussian(sigma: float, radius: int) -> list[float]:
    """Weights at -radius to radius, of sum 1."""
    weights = [math.exp(-(x**2) / (2 * sigma**2)) for x in range(-radius, radius + 1)]
    return [w / sum(weights) for w in weights]


def _along(images: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    size = images.shape[dim] - len(weights) + 1
    result = torch.zeros_like(images.narrow(dim, 0, size))
    for start, weight in enumerate(weights):
        if weight:
            result.add_(images.narrow(dim, start, size), alpha=weight)
    return result
