"""Trivial and classical fusions that every network should beat.

Each takes the luminance of the visible frame and the infrared frame, uint8 (H, W), and returns the
fused luminance, uint8 (H, W).
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.frames import Frames

Floats = NDArray[np.float32]
SMALLEST_BAND = 8  # pixels a side of the pyramid's top


def average(visible: Frames, infrared: Frames) -> Frames:
    """The mean of both."""
    return _levels((np.float32(visible) + np.float32(infrared)) / 2)


def maximum(visible: Frames, infrared: Frames) -> Frames:
    """The brighter of both, pixel by pixel."""
    return np.maximum(visible, infrared)


def visible_only(visible: Frames, infrared: Frames) -> Frames:
    """The visible frame."""
    return visible


def infrared_only(visible: Frames, infrared: Frames) -> Frames:
    """The infrared frame."""
    return infrared


def laplacian(visible: Frames, infrared: Frames) -> Frames:
    """Laplacian pyramids: in each band the larger magnitude, at the top the mean.

    Source: Burt & Adelson, IEEE Trans. Commun. 31 (1983).
    """
    one, other = np.float32(visible), np.float32(infrared)
    bands = []
    while min(one.shape) >= 2 * SMALLEST_BAND:
        (one, band), (other, other_band) = _split(one), _split(other)
        bands.append(np.where(np.abs(band) >= np.abs(other_band), band, other_band))
    fused = (one + other) / 2
    for band in reversed(bands):
        fused = cv2.pyrUp(fused, dstsize=band.shape[::-1]) + band
    return _levels(fused)


def guided(visible: Frames, infrared: Frames) -> Frames:
    """Two scales, each with weights smoothed by a guided filter.

    Source: Li, Kang & Hu, IEEE Trans. Image Process. 22 (2013), with its constants: base layers by
    a 31x31 mean; saliency is |Laplacian| after an 11x11 Gaussian of sigma 5; radius 45 and
    epsilon 0.3 for the bases, 7 and 1e-6 for the details, at levels 0..1.
    """
    sources = [np.float32(s) / 255 for s in (visible, infrared)]
    bases = [_mean(s, 15) for s in sources]
    saliency = [
        cv2.GaussianBlur(np.abs(cv2.Laplacian(s, cv2.CV_32F)), (11, 11), 5) for s in sources
    ]
    first = np.float32(saliency[0] >= saliency[1])
    maps = first, 1 - first
    fused = np.zeros_like(sources[0])
    for layers, radius, epsilon in (
        (bases, 45, 0.3),
        ([s - b for s, b in zip(sources, bases, strict=True)], 7, 1e-6),
    ):
        weights = [
            np.clip(_guided_filter(s, m, radius, epsilon), 1e-6, 1)
            for s, m in zip(sources, maps, strict=True)
        ]
        fused += (weights[0] * layers[0] + weights[1] * layers[1]) / (weights[0] + weights[1])
    return _levels(fused * 255)


BASELINES: dict[str, Callable[[Frames, Frames], Frames]] = {
    "average": average,
    "maximum": maximum,
    "visible": visible_only,
    "infrared": infrared_only,
    "laplacian": laplacian,
    "guided": guided,
}


SOURCES = ("visible", "infrared")  # shown beside the methods, but no fusion


def _levels(image: Floats) -> Frames:
    return np.clip(image, 0, 255).round().astype(np.uint8)


def _split(image: Floats) -> tuple[Floats, Floats]:
    """The next smaller image, and what it lacks."""
    smaller = cv2.pyrDown(image)
    return smaller, image - cv2.pyrUp(smaller, dstsize=image.shape[::-1])


def _mean(image: Floats, radius: int) -> Floats:
    return cv2.blur(image, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)


def _guided_filter(guide: Floats, image: Floats, radius: int, epsilon: float) -> Floats:
    """He, Sun & Tang, ECCV 2010: the image as a locally linear function of the guide."""
    mean_guide, mean_image = _mean(guide, radius), _mean(image, radius)
    variance = _mean(guide * guide, radius) - mean_guide**2
    covariance = _mean(guide * image, radius) - mean_guide * mean_image
    slope = covariance / (variance + epsilon)
    offset = mean_image - slope * mean_guide
    return _mean(slope, radius) * guide + _mean(offset, radius)
