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


def exposed(
    radiance: Array, rng: np.random.Generator, grain: float, glare: float
) -> NDArray[np.uint8]:
    """Radiance (H, W, 3) to BGR (H, W, 3) by a camera that exposes by what it sees, day or night.

    Args:
        radiance: of any scale.
        rng: of the noise.
        grain: 1 is a good sensor; in the dark it amplifies, and the noise with it.
        glare: 1 is a clean lens, 4 a greasy windscreen.
    """
    height, width = radiance.shape[:2]
    metered = np.minimum(radiance[::8, ::8], 4 * np.median(radiance[::8, ::8])).mean()
    gain = min(rng.uniform(0.24, 0.5) / float(metered), 6.0)
    light = cv2.GaussianBlur(radiance, (0, 0), 0.45 + height / 3000) * np.float32(gain)
    small = cv2.resize(light, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    bright = np.clip(small - 1.2, 0, 40)
    bloom = np.zeros_like(bright)
    for sigma, share in ((0.010, 0.35), (0.035, 0.22), (0.11, 0.13)):
        bloom += share * cv2.GaussianBlur(bright, (0, 0), sigma * height / 4 + 0.5)
    bloom += 0.06 * cv2.blur(bright, (width // 16 | 1, 1))
    light += cv2.resize(bloom, (width, height)) * np.float32(0.6 * glare)
    curve = (1 - np.exp(-1.7 * np.arange(4096) / 512)) ** (1 / 2.2)
    codes = cv2.add(light * np.float32(512), 0.0, dtype=cv2.CV_16U)
    value = (4 + 255 * curve).astype(np.float32).take(codes, mode="clip")
    rough = grain * (0.8 + 0.75 * gain**0.5)
    noise = rng.standard_normal((height, width, 1), np.float32)
    chroma = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32)
    value += np.float32(0.8 * rough) * noise
    chroma = cv2.resize(chroma * np.float32(0.6 * rough), (width, height))
    return np.asarray(cv2.add(value, chroma, dtype=cv2.CV_8U))  # rounds, and stays in 0 to 255


def microbolometer(
    warmth: Array, rng: np.random.Generator, pattern: float, black_hot: bool
) -> NDArray[np.uint8]:
    """Warmth (H, W) to grey (H, W) by a camera that stretches what it sees, but not a narrow range.

    Args:
        warmth: about 0 to 1.
        rng: of the noise.
        pattern: 1 is a camera that knows its pixels, 4 one whose shutter stayed open for long.
        black_hot: warm is dark.
    """
    height, width = warmth.shape
    soft = cv2.GaussianBlur(warmth, (0, 0), 0.5 + height / 800)
    low, high = np.percentile(soft[::4, ::4], (2, 99.5))
    spare = max(0.0, 0.40 - float(high - low)) / 2
    low, high = float(low) - spare, float(high) + spare
    value = 14 + 226 * (soft - low) / (high - low)
    value += 0.22 * (value - cv2.GaussianBlur(value, (0, 0), 0.012 * height))  # cameras sharpen
    fixed = 0.7 * rng.standard_normal(width) + 0.35 * rng.standard_normal((height, 1))
    drift = cv2.resize(rng.standard_normal((3, 4), np.float32), (width, height))
    value += pattern * (fixed + drift).astype(np.float32)
    grain = (1 + 0.5 * pattern) * rng.standard_normal((height, width), np.float32)
    grey = np.asarray(cv2.add(value, grain, dtype=cv2.CV_8U))
    return 255 - grey if black_hot else grey
