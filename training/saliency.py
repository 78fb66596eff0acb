"""Visual saliency by histogram: where a frame's grey levels differ most from all of its others."""

import cv2
import numpy as np
from numpy.typing import NDArray


def saliency(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saliency map of a grey frame (VSM; Ma et al., Infrared Physics & Technology 2017).

    S(v) = sum over i of hist(i) |v - i|, looked up for every pixel, then scaled to its own range.

    Args:
        image: (H, W), 0..255.

    Returns:
        (H, W) in [0, 1]; all zeros where no level of the frame stands out, as in a constant one.
    """
    levels = np.arange(256)
    histogram = np.bincount(image.ravel(), minlength=256)
    contrast = (np.abs(levels[:, None] - levels) @ histogram).astype(np.float64)
    present = contrast[histogram > 0]
    low, high = present.min(), present.max()
    return ((contrast - low) / max(high - low, 1)).astype(np.float32)[image]


def mask(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The saliency map as a picture, (H, W), 0..255: what a `saliency/` folder holds."""
    return np.asarray(cv2.convertScaleAbs(saliency(image), alpha=255), np.uint8)
