"""What a camera makes of a painted canvas: glare, exposure, blur, noise."""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scenes.canvas import Array


def visible(radiance: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Radiance (H, W, 3) to BGR (H, W, 3): a lens that glares, a film-like response, noise."""
    height, width = radiance.shape[:2]
    reach = max(2, round(0.2 * height))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32) / height
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    halo = (1 + (radius / 0.008) ** 2) ** -1.35
    spikes = 0.05 * np.exp(-np.abs(np.sin(3 * angle + 0.6)) * radius * height - radius / 0.05)
    spread = ((halo + spikes) * np.clip(1 - radius / 0.2, 0, 1)).astype(np.float32)
    spread /= spread.sum()
    bright = np.maximum(radiance - 0.5, 0)
    glare = cv2.filter2D(bright, -1, spread, borderType=cv2.BORDER_CONSTANT)
    ghost = cv2.GaussianBlur(
        glare[::-1, ::-1], (0, 0), 0.012 * height
    )  # between the lens's glasses
    light = np.minimum(radiance, 3) + 0.6 * glare + 0.012 * ghost * np.float32((1.0, 0.6, 0.3))
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    light = light * (1 - 0.16 * (x * x + y * y)).astype(np.float32)[..., None]
    value = (1 - np.exp(-2.6 * light)) ** (1 / 2.2)
    grain = 0.6 * rng.standard_normal((height, width, 3), np.float32)
    grain += 0.8 * rng.standard_normal((height, width, 1), np.float32)
    value = 4 + 255 * value + grain * (1.2 + 2.6 * np.sqrt(value))
    return np.clip(value, 0, 255).round().astype(np.uint8)


def infrared(warmth: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Warmth (H, W) to grey (H, W): soft, with the faint columns of an uncooled sensor."""
    height, width = warmth.shape
    soft = cv2.GaussianBlur(warmth, (0, 0), 0.4 + height / 900)
    soft += 0.10 * cv2.GaussianBlur(np.maximum(warmth - 0.4, 0), (0, 0), 0.02 * height)
    grain = 2.0 * rng.standard_normal((height, width)) + 0.5 * rng.standard_normal(width)
    return np.clip(soft * 262 - 8 + grain, 0, 255).round().astype(np.uint8)
