"""Likeness of a fused image to each of its sources: PSNR, SSIM, MS-SSIM, VIF."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from training.metrics.filters import gaussian, separable

PEAK = 255.0
BEST = 100.0  # dB
NOISE = 2.0  # variance of the eye's own noise in VIF, grey levels squared
NOTHING = 1e-10  # a variance below this is none
SMALLEST_VIF = 41  # pixels: 17 at the first of four scales, then 9, 5 and 3, halved in between
SMALLEST_MULTISCALE = 176  # pixels: torchmetrics wants more than 10 left after four halvings


def peak_ratio(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """PSNR = 10 log10(255^2 / MSE) in dB, MSE the mean over both sources; higher is better.

    0 to 100 dB, which an image that equals both has, so that means stay finite. Others average the
    two PSNRs instead.
    """
    return _decibels(torch.full_like(fused[:, 0, 0], PEAK), fused, visible, infrared)


def peak_ratio_cddfuse(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """The same with the largest level of the fused image as the peak instead of 255."""
    return _decibels(fused.amax((1, 2)), fused, visible, infrared)


def _decibels(peak: Tensor, fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    error = _squared_error(fused, visible, infrared)
    ratio = 10 * torch.log10(peak**2 / error)
    return torch.where(error > 0, ratio, BEST).clamp(0, BEST)


def similarity(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """SSIM, the mean over both sources; -1 to 1; higher is better.

    Source: Wang et al., IEEE Trans. Image Process. 13 (2004): a Gaussian of sigma 1.5 on 11x11
    pixels, C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2, mean where the window lies inside.
    """
    options = {"gaussian_kernel": True, "sigma": 1.5}
    return _similarity(fused, visible, infrared, 5, **options) / 2


def similarity_cddfuse(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """SSIM as scikit-image has it by default, summed over both sources; -2 to 2.

    Windows of 7x7 equal weights with sample covariances: 49/48 of what the window holds, which is
    C2 times 48/49. The data range is 255; left out, it depends on the version of scikit-image.
    """
    options = {"gaussian_kernel": False, "kernel_size": 7, "k2": 0.03 * math.sqrt(48 / 49)}
    return _similarity(fused, visible, infrared, 3, **options)


def multiscale_similarity(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """MS-SSIM over five scales, the mean over both sources; 0 to 1; higher is better.

    Source: Wang, Simoncelli & Bovik, Asilomar 2003, with torchmetrics' border (reflected) and its
    negative terms set to 0. NaN below 176 pixels a side.
    """
    if min(fused.shape[1:]) < SMALLEST_MULTISCALE:
        return fused.new_full((len(fused),), math.nan)
    own, *sources = _singles(fused, visible, infrared)
    scores = [
        multiscale_structural_similarity_index_measure(
            own, source, data_range=PEAK, reduction="none"
        )
        for source in sources
    ]
    return (scores[0] + scores[1]).double() / 2


def information_fidelity(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """VIF in the pixel domain, the mean over both sources; 1 for an image that equals both.

    Source: Sheikh & Bovik, IEEE Trans. Image Process. 15 (2006), four scales, noise variance 2.
    From 0, above 1 where contrast is gained; higher is better. A constant source, 0/0, counts 1.
    NaN below 41 pixels a side. VIFF (Han et al., 2013), often tabled as VIF, is another metric.
    """
    return information_fidelity_cddfuse(fused, visible, infrared) / 2


def information_fidelity_cddfuse(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """The same, summed over both sources: 2 for an image that equals both."""
    if min(fused.shape[1:]) < SMALLEST_VIF:
        return fused.new_full((len(fused),), math.nan)
    return _fidelity(visible, fused) + _fidelity(infrared, fused)


def _squared_error(fused: Tensor, *sources: Tensor) -> Tensor:
    return torch.stack([(fused - s).square().mean((1, 2)) for s in sources]).mean(0)


def _similarity(
    fused: Tensor, visible: Tensor, infrared: Tensor, radius: int, **options: Any
) -> Tensor:
    """SSIM of windows of a radius that lie inside, (N,), summed over both sources."""
    if min(fused.shape[1:]) <= 2 * radius:
        return fused.new_full((len(fused),), math.nan)
    own, *sources = _singles(fused, visible, infrared)
    inside = slice(radius, -radius)
    scores = []
    for source in sources:
        _, full = structural_similarity_index_measure(
            own, source, data_range=PEAK, return_full_image=True, **options
        )
        scores.append(full[:, 0, inside, inside].double().mean((1, 2)))
    return scores[0] + scores[1]


def _singles(*images: Tensor) -> Iterator[Tensor]:
    """(N, 1, H, W) in FP32, which torch convolves 10 times as fast; SSIM moves by 1e-5."""
    return (image[:, None].float() for image in images)


def _fidelity(source: Tensor, fused: Tensor) -> Tensor:
    """Information on the source in the fused image over that in the source, (N,).

    The same as torchmetrics' `visual_information_fidelity`, which takes 5 s for 576x768 pixels on
    one core, where this takes 0.3 s.
    """
    passed = known = torch.zeros(len(source), dtype=source.dtype, device=source.device)
    for radius in (8, 4, 2, 1):
        weights = gaussian((2 * radius + 1) / 5, radius)
        if radius < 8:
            source, fused = (
                separable(image, weights, weights, None)[:, ::2, ::2] for image in (source, fused)
            )
        products = (source, fused, source * source, fused * fused, source * fused)
        s, f, ss, ff, sf = (separable(image, weights, weights, None) for image in products)
        variance, total, shared = (ss - s * s).clamp(min=0), (ff - f * f).clamp(min=0), sf - s * f
        gain = shared / (variance + NOTHING)
        gain = torch.where((variance < NOTHING) | (total < NOTHING), 0, gain)
        rest = torch.where(gain < 0, total, total - gain * shared).clamp(min=NOTHING)
        gain = gain.clamp(min=0)
        passed = passed + torch.log1p(gain**2 * variance / (rest + NOISE)).sum((1, 2))
        known = known + torch.log1p(variance / NOISE).sum((1, 2))
    return torch.where(known > 0, passed / known, 1)
