"""What cameras and weather make of a scene: darkness, glare, fog, noise, another thermal camera.

What a camera shows of a scene, the fused frame is to show, so the losses see that. Noise it is not
to show: a loss that asked for the source with more contrast would have every grain kept.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.config import Augmentation

Floats = NDArray[np.float32]
Frames = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # visible, infrared
LAMPS = 3  # at most


def augment(
    luminance: NDArray[np.uint8],
    infrared: NDArray[np.uint8],
    settings: Augmentation,
    rng: np.random.Generator,
) -> tuple[Frames, Frames]:
    """What other cameras might have made of a scene, in other weather.

    Args:
        luminance: (H, W) uint8 of the visible frame.
        infrared: (H, W) uint8.
        settings: how much of what.
        rng: decides.

    Returns:
        The frames as shown, and the same with noise; all (H, W) uint8.
    """
    shown = (
        _weather(luminance.astype(np.float32) / np.float32(255), settings, rng),
        _thermal(infrared, settings, rng),
    )
    levels = [255 * shown[0], shown[1]]
    seen = [
        frame + rng.uniform(0, noise) * _grain(frame.shape, kind, rng) if noise else frame
        for frame, noise, kind in zip(
            levels, (settings.visible_noise, settings.noise), ("plain", "columns"), strict=True
        )
    ]
    return (_rounded(levels[0]), _rounded(levels[1])), (_rounded(seen[0]), _rounded(seen[1]))


def _thermal(
    infrared: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator
) -> Floats:
    """What another thermal camera shows, in grey levels."""
    frame = infrared.astype(np.float32)
    if settings.gain:
        widest = np.log1p(settings.gain)
        frame = (frame - 127.5) * np.exp(rng.uniform(-widest, widest)) + 127.5
    if settings.offset:
        frame = frame + rng.uniform(-settings.offset, settings.offset)
    if settings.polarity and rng.random() < settings.polarity:
        frame = 255 - frame
    if settings.shutter and rng.random() < settings.shutter:
        frame = np.full_like(frame, rng.uniform(0, 255))
    return np.clip(frame, 0, 255).astype(np.float32)


def _weather(light: Floats, settings: Augmentation, rng: np.random.Generator) -> Floats:
    """What a visible camera shows in other light, in [0, 1]."""
    if settings.darkness and rng.random() < settings.darkness:
        light = light ** np.float32(rng.uniform(0.8, 1.6)) * np.float32(rng.uniform(0.05, 0.7))
    if settings.overexposure and rng.random() < settings.overexposure:
        light = light * np.float32(rng.uniform(1.1, 2.2))
    if settings.fog and rng.random() < settings.fog:
        clear = rng.uniform(0.1, 0.9) + rng.uniform(0, 1) * (_clouds(light.shape, rng) - 0.5)
        clear = np.clip(clear, 0.03, 1)
        light = light * clear + (1 - clear) * np.float32(rng.uniform(0.3, 0.95))
    if settings.glare and rng.random() < settings.glare:
        for _ in range(rng.integers(1, LAMPS + 1)):
            light = light + _lamp(light.shape, rng)
    return np.clip(light, 0, 1).astype(np.float32)


def _clouds(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """A smooth random field in [0, 1]."""
    coarse = rng.random((4, 4), np.float32)
    return np.clip(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


def _lamp(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """A lamp's image: its core, and light scattered in the lens, which falls off slowly."""
    height, width = shape
    top, left = rng.uniform(0, height), rng.uniform(0, width)
    y, x = np.ogrid[:height, :width]
    squared = ((y - top) ** 2 + (x - left) ** 2).astype(np.float32)
    size, power = np.exp(rng.uniform(1.2, 3.8)), np.exp(rng.uniform(-1, 2))  # pixels, whites
    core = np.exp(-squared / np.float32(2 * size**2))
    return np.float32(power) * (core + 0.15 * np.exp(-np.sqrt(squared) / np.float32(3 * size)))


def _grain(shape: tuple[int, ...], kind: str, rng: np.random.Generator) -> Floats:
    """Noise of one grey level; uncooled sensors have some in columns as well."""
    grain = rng.standard_normal(shape, np.float32)
    if kind == "columns":
        grain += 0.3 * rng.standard_normal((1, shape[1]), np.float32)
    return grain


def _rounded(frame: Floats) -> NDArray[np.uint8]:
    return np.clip(frame.round(), 0, 255).astype(np.uint8)
