"""From a pair of frames to a result: the only place where pixels are touched."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import LastingError, UserError
from ship_deploy.results import Frame, Result
from ship_deploy.streams.pairer import Pair
from ship_deploy.streams.tracing import span

# An infrared frame and the visible one's (height, width), None before the first -> aligned uint8
# (H, W) of that size. Called once a frame, in order, from the pipeline's thread.
Prepare: TypeAlias = Callable[[Frame, tuple[int, int] | None], NDArray[np.uint8]]
# Visible uint8 (H, W, 3) and infrared uint8 (H, W) -> fused uint8 (H, W, 3), as `Fuser`.
Fuse: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]

_log = logging.getLogger("ship_deploy.streams")


class Compositor:
    """Prepares, fuses, or shows one frame alone.

    An infrared frame that is fused several times is prepared once.
    """

    def __init__(self, fuse: Fuse, prepare: Prepare, clock: Callable[[], float] = time.monotonic):
        self._fuse, self._prepare, self._clock = fuse, prepare, clock
        self._size: tuple[int, int] | None = None  # of the last visible frame
        # An infrared frame as it came, the size that it was prepared for, and prepared.
        self._ready: tuple[Frame, tuple[int, int] | None, Frame] | None = None
        self._said = ""
        self._bits = 8  # of the visible camera, as far as its samples show

    def compose(self, pair: Pair) -> Result:
        """The result of a pair, or of one frame alone.

        A UserError, an OpenCV error or a MemoryError of `prepare` or `fuse` makes a result with one
        frame alone; but for a LastingError, which the next frames would have as well.
        """
        visible = None if pair.visible is None else _colour(self._eight_bits(pair.visible.image))
        if visible is not None:
            self._size = visible.shape[:2]
        image, infrared, reason = visible, None, pair.reason
        try:
            if pair.infrared is not None:
                infrared = self._prepare_once(pair.infrared)
                if visible is None:
                    image = _colour(infrared.image)
                else:
                    with span("fuse"):
                        image = self._fuse(visible, infrared.image)
        except LastingError:
            raise
        except (UserError, cv2.error, MemoryError) as error:
            said = " ".join(str(error).split()) or "not enough memory"
            reason = f"refused: {said}"
            infrared = None
        self._say(reason)
        if image is None:  # an infrared frame alone that could not be prepared
            image = np.zeros((*(self._size or (480, 640)), 3), np.uint8)
        frame = pair.visible or pair.infrared
        assert frame is not None
        return Result(
            image, pair.visible, infrared, reason == "", reason, frame.time, self._clock()
        )

    def _eight_bits(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """A visible image's upper 8 bits, of as many as the camera has used so far.

        Cameras of 10 or 12 bits put them at the lower end of 16.
        """
        if image.dtype == np.uint8:
            return image
        self._bits = max(self._bits, int(image.max()).bit_length())
        return np.asarray(image >> (self._bits - 8), np.uint8)

    def _prepare_once(self, frame: Frame) -> Frame:
        known = self._ready and self._ready[0] is frame and self._ready[1] == self._size
        if self._ready is None or not known:
            with span("prepare"):
                image = self._prepare(frame, self._size)
            self._ready = frame, self._size, replace(frame, image=image)
        return self._ready[2]

    def _say(self, reason: str) -> None:
        """Log what changed, once, not once a frame."""
        if reason != self._said:
            said = {"event": "alone" if reason else "fused", "reason": reason}
            text = f"not fused: {reason}" if reason else "fused again"
            _log.warning("%s", text, extra=said)
        self._said = reason


def _colour(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image, uint8 (H, W) or (H, W, 3), as (H, W, 3)."""
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return image
