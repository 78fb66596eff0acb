"""A thermal camera's frames as 8 bits, one after the other: levels, dead pixels, the shutter."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.frames import (
    PERCENTILES,
    Frames,
    check_percentiles,
    is_coloured,
    limits,
    missing,
    scale,
)
from ship_deploy.thermal.dead_pixels import DeadPixels

NEW_SCENE = 0.5  # of the frame black or white by the old limits: they say nothing of this one
FLAT = 1e-3  # counts or degrees: a span that no scene has
TILES = (8, 8)  # of CLAHE


class Thermal:
    """Turns the frames of one infrared camera into 8 bits, without flicker.

    Stretching each frame by its own percentiles makes everything darker at once when a hot thing
    comes in. Here the percentiles follow with a time constant. They start anew where that
    makes no sense: when most of the frame would be black or white, and after the shutter.

    Args:
        percentiles: of a frame of more than 8 bits, the two that become 0 and 255.
        smoothing: seconds in which the percentiles go 63% of the way; 0 for each frame by its own.
        clahe: clip limit of a contrast-limited adaptive histogram equalisation; None without.
        black_hot: the camera shows warm things dark; they come out bright, as the network wants it.
        dead: pixels to replace by the median of their neighbours.
        freeze: seconds without change from which on a camera of more than 8 bits, whose noise never
            repeats, counts as frozen. Slow cameras repeat each frame, for some 0.1 seconds.

    Raises:
        UserError: a value out of its range.

    Examples:
        >>> thermal = Thermal()
        >>> thermal(frame, time)  # uint16 (512, 640) -> uint8 (512, 640)
    """

    def __init__(
        self,
        *,
        percentiles: tuple[float, float] = PERCENTILES,
        smoothing: float = 2.0,
        clahe: float | None = None,
        black_hot: bool = False,
        dead: DeadPixels | None = None,
        freeze: float = 0.3,
    ) -> None:
        check_percentiles(percentiles)
        if not 0 <= smoothing < math.inf:
            raise UserError(f"smoothing is {smoothing}, expected seconds from 0 up")
        if clahe is not None and not 0 < clahe < math.inf:
            raise UserError(f"clahe is {clahe}, expected a clip limit above 0, such as 2")
        self._percentiles, self._smoothing, self._freeze = percentiles, smoothing, freeze
        self._clahe = clahe and cv2.createCLAHE(clahe, TILES)
        self._black_hot, self._dead = black_hot, dead
        self._limits: tuple[float, float] | None = None  # become 0 and 255
        self._time = -math.inf  # of the last frame
        self._raw: NDArray[Any] = np.empty(0)  # the frame that was last new, and when it was
        self._new = -math.inf
        self.frozen = False

    def __call__(self, image: NDArray[Any], time: float) -> Frames:
        """The next frame.

        Sets `frozen`: whether the camera has repeated itself for so long that its shutter must be
        closed, or it hangs.

        Args:
            image: integers or floats, (H, W), see `stretch`; or uint8 (H, W, 3), of a video, made
                grey.
            time: of capture, in seconds.

        Returns:
            uint8 (H, W).

        Raises:
            UserError: a frame in false colour, or a map of dead pixels of another size.
        """
        if image.ndim == 3:
            if is_coloured(image):
                raise UserError(
                    "the infrared frame is in colour, expected grey levels or counts; set the "
                    "camera to a grey palette"
                )
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        self._watch(image, time)
        if self._dead is not None:
            image = self._dead.replace(image)
        if image.dtype != np.uint8:
            absent = missing(image)
            image = scale(image, *self._follow(image, absent, time), absent)
        self._time = time
        if self._black_hot:
            image = 255 - image
        if self._clahe:
            image = self._clahe.apply(image)
        return np.asarray(image, np.uint8)

    def _watch(self, image: NDArray[Any], time: float) -> None:
        if image.dtype == np.uint8 or not np.array_equal(image, self._raw):
            self._raw, self._new = image, time
            if self.frozen:
                self._limits = None  # the shutter has shifted the camera's counts
        self.frozen = time - self._new >= self._freeze

    def _follow(
        self, image: NDArray[Any], absent: NDArray[np.bool_] | None, time: float
    ) -> tuple[float, float]:
        low, high = limits(image, absent, self._percentiles, axis=(-2, -1)).ravel().tolist()
        if self._smoothing and self._limits is not None:
            known_low, known_high = self._limits
            if np.mean((image < known_low) | (image > known_high)) <= NEW_SCENE:
                share = -math.expm1(-max(time - self._time, 0.0) / self._smoothing)
                # What is seen is the ratio of spans, so that goes evenly: a span that grows
                # tenfold would make half of its difference visible in the first moments.
                span = max(known_high - known_low, FLAT)
                span *= (max(high - low, FLAT) / span) ** share
                low = known_low + share * (low - known_low)
                high = low + span
        self._limits = low, high
        return self._limits
