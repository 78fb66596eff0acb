"""Infrared frames of another shape than the visible ones: cut out of a larger picture, scaled."""

import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.frames import SMALLEST

PROPORTIONS = 0.02  # relative; by how much width : height may differ: 382x288 beside 640x480


@dataclass(frozen=True)
class Crop:
    """The part of an infrared picture that is used.

    Attributes:
        text: "top" or "bottom", half of the picture, for USB cameras that give the image and the
            temperatures in one; or "X,Y,W,H" in pixels, from the upper left corner.

    Raises:
        UserError: it is none of these.
    """

    text: str

    def __post_init__(self) -> None:
        numbers = re.fullmatch(r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})", self.text, re.ASCII)
        if self.text not in ("top", "bottom") and numbers is None:
            raise UserError(f"crop is {self.text!r}, expected top, bottom or X,Y,WIDTH,HEIGHT")

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """That part of an image (H, W) or (H, W, C), a view.

        Raises:
            UserError: it lies outside, or is too small to be fused.
        """
        height, width = image.shape[:2]
        if self.text in ("top", "bottom"):
            half = height // 2
            x, y, w, h = 0, 0 if self.text == "top" else height - half, width, half
        else:
            x, y, w, h = map(int, self.text.split(","))
        if x + w > width or y + h > height or min(w, h) < SMALLEST:
            raise UserError(
                f"crop {self.text} of an infrared frame of {height}x{width} (height x width): "
                f"expected a part of it, at least {SMALLEST}x{SMALLEST}"
            )
        return image[y : y + h, x : x + w]


def fit(infrared: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Scale an infrared frame (H, W) to (height, width), for views that are aligned but for that.

    Raises:
        UserError: its proportions are others, so one of the views is larger or distorted.
    """
    if infrared.shape == size:
        return infrared
    (height, width), (h, w) = size, infrared.shape
    if abs(w * height / (h * width) - 1) > PROPORTIONS:
        two = h > w > h // 2
        said = "; it may hold two pictures: try --crop-infrared top or bottom" if two else ""
        raise UserError(
            f"visible is {height}x{width} and infrared {h}x{w} (height x width): frames must be "
            f"aligned and of the same proportions; crop the infrared ones or calibrate{said}"
        )
    return np.asarray(cv2.resize(infrared, (width, height), interpolation=cv2.INTER_LINEAR))
