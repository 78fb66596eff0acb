"""Night streets, drawn: aligned visible and infrared frames for tests, demos and smoke training.

A street is a small world in metres. Every shape is painted once with four values, blue, green and
red light and warmth, so the two frames are aligned by construction. What cameras add comes at the
end, for each on its own. So a person beside headlights is lost in the visible frame for the reason
that one is lost in a real frame, and the infrared frame knows nothing of paint.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scenes import sensors
from training.scenes.canvas import Canvas
from training.scenes.streets import Street, invent
from training.scenes.surroundings import paint_road, paint_sky

__all__ = ["render"]


def render(
    seed: int, height: int = 480, width: int = 640
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a street at night.

    Args:
        seed: which street; the same seed and size give the same frames.
        height: pixels, 32 or more.
        width: pixels, 32 or more.

    Returns:
        visible uint8 (H, W, 3) BGR, and infrared uint8 (H, W), brighter where warmer.
    """
    rng = np.random.default_rng(seed)
    finer = max(2, round(480 / height))  # edges are smoothed by drawing larger
    tall, wide = height * finer, width * finer
    street = invent(rng, tall, wide)
    canvas = Canvas(
        np.empty((tall, wide, 4), np.float32),
        street.camera,
        street.light,
        street.haze,
        street.clear,
    )
    paint_sky(canvas, street, rng)
    paint_road(canvas, street, rng, mirrored(canvas, street))
    for thing in street.things:
        thing.paint(canvas)
    pixels = cv2.resize(canvas.pixels, (width, height), interpolation=cv2.INTER_AREA)
    return sensors.visible(pixels[..., :3], rng), sensors.infrared(pixels[..., 3], rng)


def mirrored(canvas: Canvas, street: Street) -> NDArray[np.float32]:
    """The street (H, W, 4) as a wet road shows it: upside down and smeared towards the camera."""
    height, width = canvas.pixels.shape[:2]
    pixels = np.empty((height // 2, width // 2, 4), np.float32)
    pixels[:] = canvas.haze
    half = replace(canvas, pixels=pixels, camera=canvas.camera.mirrored(0.5))
    for thing in street.things:
        thing.paint(half)
    sigma = 0.012 * height
    pixels = cv2.GaussianBlur(np.minimum(pixels, 14), (0, 0), sigmaX=sigma / 6, sigmaY=sigma)
    return cv2.resize(pixels, (width, height))
