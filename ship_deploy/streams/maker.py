"""From a match to a result: the only place where pixels are touched."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.streams.frame import Frame, Fuse, Prepare, Result
from ship_deploy.streams.pairer import Match

_log = logging.getLogger("ship_deploy.streams")


class Maker:
    """Prepares, fuses, or shows one frame alone.

    An infrared frame that is fused several times is prepared once.
    """

    def __init__(self, fuse: Fuse, prepare: Prepare, clock: Callable[[], float] = time.monotonic):
        self._fuse, self._prepare, self._clock = fuse, prepare, clock
        self._size: tuple[int, int] | None = None  # of the last visible frame
        # An infrared frame as it came, the size that it was prepared for, and prepared.
        self._ready: tuple[Frame, tuple[int, int] | None, Frame] | None = None
        self._said = ""

    def make(self, match: Match) -> Result:
        """The result of a match.

        A UserError or an OpenCV error of `prepare` or `fuse` makes a result with one frame alone.
        """
        visible = None if match.visible is None else _colour(match.visible.image)
        if visible is not None:
            self._size = visible.shape[:2]
        image, infrared, reason = visible, None, match.reason
        try:
            if match.infrared is not None:
                infrared = self._prepare_once(match.infrared)
                if visible is None:
                    image = _colour(infrared.image)
                else:
                    image = self._fuse(visible, infrared.image)
        except (UserError, cv2.error) as error:
            reason = f"refused: {' '.join(str(error).split())}"
            infrared = None
        self._say(reason)
        if image is None:  # an infrared frame alone that could not be prepared
            image = np.zeros((*(self._size or (480, 640)), 3), np.uint8)
        frame = match.visible or match.infrared
        assert frame is not None
        return Result(
            image, match.visible, infrared, reason == "", reason, frame.time, self._clock()
        )

    def _prepare_once(self, frame: Frame) -> Frame:
        known = self._ready and self._ready[0] is frame and self._ready[1] == self._size
        if self._ready is None or not known:
            image = self._prepare(frame, self._size)
            self._ready = frame, self._size, replace(frame, image=image)
        return self._ready[2]

    def _say(self, reason: str) -> None:
        """Log what changed, once, not once a frame."""
        if reason != self._said:
            _log.warning("%s", f"not fused: {reason}" if reason else "fused again")
        self._said = reason


def _colour(image: NDArray[Any]) -> NDArray[np.uint8]:
    """A visible image as uint8 (H, W, 3); 16 bits lose their lower byte."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return image
