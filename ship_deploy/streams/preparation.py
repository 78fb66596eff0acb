"""What happens to an infrared frame before it is fused."""

import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.geometry.calibration import Calibration
from ship_deploy.geometry.shape import Crop, fit
from ship_deploy.results import Frame
from ship_deploy.thermal import Thermal


class Preparation:
    """Makes infrared frames 8 bits and lays them on the visible ones; a pipeline's `prepare`.

    Args:
        thermal: levels, dead pixels, polarity; `Thermal()` if not given.
        calibration: where the infrared view lies; without one, frames are taken as aligned, and
            scaled if they are of another size but of the same proportions.
        crop: the part of each infrared frame that is used, before all else.
    """

    def __init__(
        self,
        thermal: Thermal | None = None,
        calibration: Calibration | None = None,
        crop: Crop | None = None,
    ) -> None:
        self._thermal, self._calibration = thermal or Thermal(), calibration
        self._crop = crop

    def __call__(self, infrared: Frame, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """The next infrared frame.

        Args:
            infrared: uint8 or uint16, (H, W) or (H, W, 3).
            size: (height, width) of the visible frame; None if none came so far.

        Returns:
            uint8, of that size.

        Raises:
            UserError: it is not to be fused: of another size than the calibration's, of other
                proportions than the visible frame, in false colour, or repeated by a camera whose
                shutter is closed.
        """
        image = infrared.image if self._crop is None else self._crop(infrared.image)
        grey = self._thermal(image, infrared.time)
        if self._thermal.frozen:
            raise UserError("the infrared image is frozen: shutter closed (FFC), or camera stalled")
        if self._calibration is not None:
            aligned = self._calibration.align(grey, size or self._calibration.visible_size)
            return np.asarray(aligned, np.uint8)
        return grey if size is None else np.asarray(fit(grey, size), np.uint8)
