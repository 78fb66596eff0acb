"""Pixels of a thermal sensor that do not measure: found, kept as an image, replaced."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.images import read_infrared

NEIGHBOURS = 8  # that a pixel's median is taken of
REACH = 3  # pixels that they may be away, in each direction
OUTLIER = 8.0  # times as far from the median around it as other pixels around it are
FEWEST_FRAMES = 5
MOST_KNOWN = 100_000  # in a map; of a 1280x1024 sensor 65,000 would be the share below
MOST = 0.05  # share of dead pixels that is still believable


class DeadPixels:
    """Replaces dead pixels by the median of the nearest living ones.

    Args:
        mask: bool (H, W), true where a pixel is dead.

    Raises:
        UserError: a dead region so large that a pixel in it has no living one within 3 pixels.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self._size = mask.shape
        height, width = mask.shape
        steps = np.indices((2 * REACH + 1, 2 * REACH + 1)).reshape(2, -1).T - REACH
        steps = steps[np.argsort(np.square(steps).sum(axis=1), kind="stable")]  # nearest first
        self._dead = np.flatnonzero(mask)
        around = np.empty((len(self._dead), NEIGHBOURS), np.intp)
        for row, place in enumerate(np.argwhere(mask)):
            y, x = (place + steps).T
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            y, x = y[inside], x[inside]
            living = (y * width + x)[~mask[y, x]][:NEIGHBOURS]
            if not len(living):
                raise UserError(f"too many dead pixels around {tuple(map(int, place[::-1]))}")
            around[row] = np.resize(living, NEIGHBOURS)  # repeated if they are few
        self._around = around

    def replace(self, image: NDArray[Any]) -> NDArray[Any]:
        """A copy of an image (H, W) of any type without dead pixels.

        Raises:
            UserError: an image of another size than the mask.
        """
        if image.shape != self._size:
            (height, width), (h, w) = self._size, image.shape
            raise UserError(f"the map of dead pixels is {height}x{width}, the frame is {h}x{w}")
        image = image.copy()
        flat = image.reshape(-1)
        flat[self._dead] = np.median(flat[self._around], axis=1).astype(image.dtype)
        return image


def read_dead_pixels(path: Path) -> DeadPixels:
    """From an image in the size of the infrared frames: what is not black is dead.

    Raises:
        UserError: the image cannot be read, or so much of it is not black that it is no such map.
    """
    try:
        mask = read_infrared(path) != 0
        if (dead := np.count_nonzero(mask)) > MOST_KNOWN:
            raise UserError(f"{dead:,} pixels are not black, expected {MOST_KNOWN:,} at most")
        return DeadPixels(mask)
    except UserError as error:
        raise UserError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None


def find_dead_pixels(frames: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels that never change while others do, or that stick out of their surroundings mostly.

    Best from frames of a moving or of an even scene (a lens cap): what stands still and is smaller
    than two pixels looks like a dead pixel.

    Args:
        frames: uint16 or float32 (N, H, W), counts as the sensor gives them, N at least 5.

    Returns:
        bool (H, W), true where a pixel is dead.

    Raises:
        UserError: too few frames, or so many pixels that something else must be wrong.
    """
    if len(frames) < FEWEST_FRAMES:
        raise UserError(f"{len(frames)} frames; dead pixels need at least {FEWEST_FRAMES}")
    spread = np.ptp(frames, axis=0)
    dead: NDArray[np.bool_] = (spread == 0) & (np.median(spread) > 0)
    out = np.empty(frames.shape, np.float32)
    for number, frame in enumerate(frames):
        difference = np.abs(frame - cv2.medianBlur(frame, 5).astype(np.float64))
        around = (cv2.blur(difference, (7, 7)) * 49 - difference) / 48  # large at edges
        usual = np.maximum(around, max(float(np.median(difference)), 1e-9))
        out[number] = difference / usual
    dead |= np.median(out, axis=0) > OUTLIER
    if dead.mean() > MOST:
        raise UserError(f"{dead.mean():.0%} of the pixels look dead; are these infrared frames?")
    return dead
