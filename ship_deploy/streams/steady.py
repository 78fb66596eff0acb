"""A fused video held still where both cameras see nothing move."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.frames import Frames
from ship_deploy.streams.compositor import Fuse

BLUR = 2.0  # pixels, sigma, before frames are compared: sensor noise is no change
STILL, MOVED = 1.0, 3.0  # levels of change up to which nothing moved, and from which all is new
SHARE = 0.25  # of the newest picture, where nothing moved


class Steady:
    """Fuses one video, and smooths it over time where neither source changes.

    A network weighs both frames anew for each pair, so sensor noise can make still parts of the
    picture flicker. There, each picture is a quarter the newest one and three quarters the one
    before. Where either frame, blurred, changes by more than 3 levels, the picture is the newest
    one alone, so what moves leaves no trail. What is as faint as noise, of a pixel or two, lags.

    Args:
        fuse: a `Fuser`, or any such function.

    Examples:
        >>> with Pipeline(find_source("0"), find_source("1"), Steady(Fuser())) as pipeline:
        ...     ...
    """

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self._sources: list[NDArray[Any]] = []  # of the frames before, blurred
        self._held: NDArray[Any] = np.empty(0)  # the picture before, unrounded

    def __call__(self, visible: Frames, infrared: Frames) -> Frames:
        """The next picture of the video.

        Args:
            visible: uint8 (H, W, 3) or (H, W).
            infrared: uint8 (H, W).

        Returns:
            uint8, in the shape of `visible`.

        Raises:
            UserError: what `fuse` raises; this pair then counts for nothing.
        """
        fused = self._fuse(visible, infrared)
        grey = visible if visible.ndim == 2 else cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY)
        sources = [_blurred(frame) for frame in (grey, infrared)]
        picture: NDArray[Any] = fused.astype(np.float32)
        if picture.shape == self._held.shape:
            share = _share(*map(cv2.absdiff, sources, self._sources))
            picture = cv2.blendLinear(picture, self._held, share, 1 - share)
        self._sources, self._held = sources, picture
        return np.asarray(cv2.convertScaleAbs(picture), np.uint8)


def _blurred(frame: NDArray[Any]) -> NDArray[Any]:
    return cv2.GaussianBlur(frame.astype(np.float32), (0, 0), BLUR)


def _share(*changes: NDArray[Any]) -> NDArray[Any]:
    """Of the newest picture for each pixel, from both frames' changes."""
    slope = (1 - SHARE) / (MOVED - STILL)
    return np.asarray(np.clip(SHARE + slope * (np.maximum(*changes) - STILL), SHARE, 1))
