"""Filters that several terms of a loss share."""

import torch
from torch import Tensor
from torch.nn import functional as F


def blur(image: Tensor, sigma: int) -> Tensor:
    """A Gaussian blur of each channel, (N, C, H, W), mirrored beyond the border."""
    reach = 3 * sigma
    at = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, -1)
    image = F.pad(image, (reach,) * 4, mode="reflect")
    image = F.conv2d(image, kernel[:, :, :, None], groups=image.shape[1])
    return F.conv2d(image, kernel[:, :, None], groups=image.shape[1])
