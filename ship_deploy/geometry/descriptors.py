"""What infrared and visible frames have in common: where edges run, not how strong or which way.

A warm thing may be bright in one frame and dark in the other, and its edge weak in one of them. So
a frame becomes channels of gradient orientation, modulo 180 degrees, each gradient divided by the
mean one around it; such channels are compared by normalised cross-correlation.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Channels = NDArray[np.float32]  # (C, H, W)
ORIENTATIONS = 6  # channels over 180 degrees
NOISE, POOLING, SURROUNDINGS = 1.0, 2.0, 16.0  # deviations of Gaussians, in pixels
STRONGEST = 3.0  # times the mean gradient around it; more would let one edge decide


def describe(image: NDArray[Any]) -> Channels:
    """Channels of gradient orientation of a grey image (H, W) of any depth, each of mean 0."""
    grey = cv2.GaussianBlur(image.astype(np.float32), (0, 0), NOISE)
    across, down = cv2.Scharr(grey, -1, 1, 0), cv2.Scharr(grey, -1, 0, 1)
    strength = np.hypot(across, down)
    around = cv2.GaussianBlur(strength, (0, 0), SURROUNDINGS)
    strength = np.minimum(strength / (around + 0.1 * strength.mean() + 1e-6), STRONGEST)
    angle = np.mod(np.arctan2(down, across), np.pi) * (ORIENTATIONS / np.pi)
    channels = np.empty((ORIENTATIONS, *image.shape), np.float32)
    for index in range(ORIENTATIONS):
        distance = np.abs(angle - index)
        share = np.maximum(1 - np.minimum(distance, ORIENTATIONS - distance), 0)
        channels[index] = cv2.GaussianBlur(strength * share.astype(np.float32), (0, 0), POOLING)
    channels -= channels.mean(axis=(1, 2), keepdims=True)
    return channels


def correlate(channels: Channels, template: Channels) -> NDArray[np.float32]:
    """Normalised cross-correlation at every place where the template fits wholly inside.

    Args:
        channels: (C, H, W).
        template: (C, h, w), not larger.

    Returns:
        (H - h + 1, W - w + 1), about -1 to 1. Where `channels` are almost flat it is near 0.
    """
    product = sum(
        cv2.matchTemplate(*pair, cv2.TM_CCORR) for pair in zip(channels, template, strict=True)
    )
    box = np.ones(template.shape[1:], np.float32)
    energy = cv2.matchTemplate(np.square(channels).sum(axis=0), box, cv2.TM_CCORR)
    scale = np.sqrt(np.maximum(energy, 1e-6) * max(float(np.square(template).sum()), 1e-6))
    correlation: NDArray[np.float32] = product / (scale + 0.02 * scale.max())
    return correlation
