"""Trivial and classical fusions that every network should beat.

Each takes the luminance of the visible frame and the infrared frame, uint8 (H, W), and returns the
fused luminance, uint8 (H, W). Those in `IN_COLOUR` also take a visible frame in colour, BGR
(H, W, 3), and then return one.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pywt
from numpy.typing import NDArray

from benchmarks.least_squares import smooth
from ship_deploy.frames import Frames

Floats = NDArray[np.float32]
SMALLEST_BAND = 8  # pixels a side of the pyramid's top
WAVELET, WAVELET_LEVELS = "db4", 4
LINES = 2  # pixels: sigma of the Gaussian that leaves lines and edges of the visible frame over
SMOOTHNESS = (0.05, 0.5, 5.0)  # of the least-squares layers, from fine to coarse
DETAIL_WEIGHT = 0.01  # lambda of the detail layers' least squares, the paper's
DETAIL_WINDOW, TINY = 7, 1e-4  # pixels and levels, as there


def average(visible: Frames, infrared: Frames) -> Frames:
    """The mean of both."""
    return _levels((_floats(visible) + _floats(infrared)) / 2)


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
    one, other = _floats(visible), _floats(infrared)
    bands = []
    while min(one.shape) >= 2 * SMALLEST_BAND:
        (one, band), (other, other_band) = _split(one), _split(other)
        bands.append(np.where(np.abs(band) >= np.abs(other_band), band, other_band))
    fused = (one + other) / np.float32(2)
    for band in reversed(bands):
        fused = _enlarge(fused, band) + band
    return _levels(fused)


def guided(visible: Frames, infrared: Frames) -> Frames:
    """Two scales, each with weights smoothed by a guided filter.

    Source: Li, Kang & Hu, IEEE Trans. Image Process. 22 (2013), with its constants: base layers by
    a 31x31 mean; saliency is |Laplacian| after an 11x11 Gaussian of sigma 5; radius 45 and
    epsilon 0.3 for the bases, 7 and 1e-6 for the details, at levels 0..1.
    """
    sources = [_floats(s) / np.float32(255) for s in (visible, infrared)]
    bases = [_mean(s, 15) for s in sources]
    saliency = [
        cv2.GaussianBlur(np.abs(cv2.Laplacian(s, cv2.CV_32F)), (11, 11), 5) for s in sources
    ]
    first = np.asarray(saliency[0] >= saliency[1], np.float32)
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


def msx_like(visible: Frames, infrared: Frames) -> Frames:
    """The infrared frame plus what a Gaussian of 2 pixels takes away of the visible one.

    As FLIR's MSX is described, a thermal picture with visible edges; its filter is not published.
    """
    levels = _floats(visible)
    lines = levels - cv2.GaussianBlur(levels, (0, 0), LINES)
    return _levels(_floats(infrared) + lines)


def wavelet(visible: Frames, infrared: Frames) -> Frames:
    """Discrete wavelets (db4, 4 levels): in each band the larger magnitude, at the top the mean.

    Source: Li, Manjunath & Mitra, Graph. Models Image Process. 57 (1995), without their check of
    neighbours. Frames of fewer than 112 pixels a side have fewer levels.
    """
    levels = min(WAVELET_LEVELS, pywt.dwt_max_level(min(visible.shape), WAVELET))
    (top, *bands), (other_top, *other_bands) = (
        pywt.wavedec2(_floats(frame), WAVELET, "symmetric", levels) for frame in (visible, infrared)
    )
    chosen = [
        tuple(np.where(np.abs(a) >= np.abs(b), a, b) for a, b in zip(one, other, strict=True))
        for one, other in zip(bands, other_bands, strict=True)
    ]
    fused = pywt.waverec2([(top + other_top) / 2, *chosen], WAVELET, "symmetric")
    return _levels(fused[: visible.shape[0], : visible.shape[1]])  # odd sizes come back even


def least_squares(visible: Frames, infrared: Frames) -> Frames:
    """Layers by weighted least squares, details pulled to the visible frame's by least squares.

    Layers: what is left at each of three smoothings (Farbman et al., ACM Trans. Graph. 27, 2008).
    Rules: Ma, Zhou, Wang & Zong, Infrared Phys. Technol. 82 (2017), who smooth by a rolling
    guidance filter instead. The base is (1 + S_V - S_I) / 2 of the visible base and the rest of the
    infrared one, S being the saliency of a level, its summed distance to all levels of the frame,
    scaled to 0..1. A detail layer D minimises sum (D - M)^2 + lambda a (D - D_V)^2, M being the
    larger magnitude (its choice blurred by 2 pixels) and a = 1 / (|sum of D_I over 7x7| + 1e-4).
    """
    ones, others = ([_floats(frame) / np.float32(255)] for frame in (visible, infrared))
    for layers in (ones, others):
        layers += [smooth(layers[0], smoothness) for smoothness in SMOOTHNESS]
    weight = (1 + _saliency(visible) - _saliency(infrared)) / 2
    fused = weight * ones[-1] + (1 - weight) * others[-1]
    for fine in range(len(SMOOTHNESS)):
        own, other = ones[fine] - ones[fine + 1], others[fine] - others[fine + 1]
        choice = cv2.GaussianBlur((np.abs(own) >= np.abs(other)).astype(np.float32), (0, 0), 2)
        larger = choice * own + (1 - choice) * other
        sums = cv2.blur(other, (DETAIL_WINDOW, DETAIL_WINDOW)) * DETAIL_WINDOW**2
        pull = DETAIL_WEIGHT / (np.abs(sums) + TINY)
        fused += (larger + pull * own) / (1 + pull)
    return _levels(fused * 255)


def fcdfusion(visible: Frames, infrared: Frames) -> Frames:
    """Each pixel's colour scaled: F = V (1/2 + a (m + 255) / (2 m)), m its largest channel.

    a = (I / 255)^2. Source: Li & Fu, FCDFusion, Comput. Vis. Media 11 (2025). Black counts as 1.
    """
    colours = _floats(np.atleast_3d(visible))
    largest = np.maximum(colours.max(2), 1)
    warmth = (_floats(infrared) / 255) ** 2
    scale = 0.5 + warmth * (largest + 255) / (2 * largest)
    return _levels(colours * scale[..., None]).reshape(visible.shape)


BASELINES: dict[str, Callable[[Frames, Frames], Frames]] = {
    "average": average,
    "maximum": maximum,
    "visible": visible_only,
    "infrared": infrared_only,
    "laplacian": laplacian,
    "guided": guided,
    "MSX-like": msx_like,
    "wavelet": wavelet,
    "least squares": least_squares,
    "FCDFusion": fcdfusion,
}
IN_COLOUR = ("FCDFusion",)


SOURCES = ("visible", "infrared")  # shown beside the methods, but no fusion


def _floats(image: Frames) -> Floats:
    return image.astype(np.float32)


def _levels(image: NDArray[np.floating[Any]]) -> Frames:
    return np.clip(image, 0, 255).round().astype(np.uint8)


def _split(image: Floats) -> tuple[Floats, Floats]:
    """The next smaller image, and what it lacks."""
    smaller = np.asarray(cv2.pyrDown(image), np.float32)
    return smaller, image - _enlarge(smaller, image)


def _enlarge(image: Floats, like: Floats) -> Floats:
    return np.asarray(cv2.pyrUp(image, dstsize=like.shape[::-1]), np.float32)


def _mean(image: Floats, radius: int) -> Floats:
    size = 2 * radius + 1, 2 * radius + 1
    return np.asarray(cv2.blur(image, size, borderType=cv2.BORDER_REFLECT), np.float32)


def _guided_filter(guide: Floats, image: Floats, radius: int, epsilon: float) -> Floats:
    """He, Sun & Tang, ECCV 2010: the image as a locally linear function of the guide."""
    mean_guide, mean_image = _mean(guide, radius), _mean(image, radius)
    variance = _mean(guide * guide, radius) - mean_guide**2
    covariance = _mean(guide * image, radius) - mean_guide * mean_image
    slope = covariance / (variance + epsilon)
    offset = mean_image - slope * mean_guide
    return _mean(slope, radius) * guide + _mean(offset, radius)


def _saliency(frame: Frames) -> Floats:
    """How far a pixel's level is from all others', summed and scaled to 0..1, (H, W)."""
    counts = np.bincount(frame.ravel(), minlength=256).astype(np.float64)
    levels = np.arange(256)
    distances = np.abs(levels[:, None] - levels) @ counts
    known = distances[counts > 0]
    span = float(np.ptp(known))
    scaled = (distances - known.min()) / span if span else distances * 0
    return scaled.astype(np.float32)[frame]
