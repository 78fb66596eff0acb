"""What happens to a single infrared image before it is fused; for streams see `Preparation`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy.frames import PERCENTILES, stretch
from ship_deploy.geometry.calibration import Calibration
from ship_deploy.geometry.shape import Crop, fit


class Layer:
    """Makes infrared images 8 bits, each by its own levels, and lays them on the visible ones.

    Args:
        calibration: where the infrared view lies; None if the images are aligned.
        crop: the part of each infrared image that is used, before all else; None for all.
        percentiles: of an image of more than 8 bits, the two that become 0 and 255.
    """

    def __init__(
        self,
        calibration: Calibration | None = None,
        crop: Crop | None = None,
        percentiles: tuple[float, float] = PERCENTILES,
    ) -> None:
        self._align = fit if calibration is None else calibration.align
        self._crop, self._percentiles = crop, percentiles

    def __call__(self, infrared: NDArray[Any], size: tuple[int, ...]) -> NDArray[np.uint8]:
        """An infrared image, (H, W), as uint8 of the visible one's (height, width).

        Raises:
            UserError: it cannot be cropped so, or does not fit the calibration or the size.
        """
        image = infrared if self._crop is None else self._crop(infrared)
        image = stretch(image, self._percentiles)  # before the warp, whose border is no temperature
        return np.asarray(self._align(image, (size[0], size[1])), np.uint8)

    def align(self, infrared: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
        """The same without a change of depth."""
        return self._align(infrared if self._crop is None else self._crop(infrared), size)
