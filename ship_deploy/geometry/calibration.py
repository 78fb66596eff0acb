"""A calibration: the homography from infrared to visible pixels, and the file it lives in."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from ship_deploy.frames import SMALLEST, most_pixels
from ship_deploy.geometry.homography import Matrix, keeps_orientation

FORMAT = "ship-deploy calibration 1"
LARGEST = 1e12  # of a number; what is computed with them stays finite
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Calibration:
    """How the infrared view lies in the visible one.

    A homography is exact for what is far away, or for one plane; nearer things are off by the
    parallax of the two lenses.

    Args:
        homography: rows of the 3x3 matrix from infrared to visible pixels, (x, y, 1), where (0, 0)
            is the centre of the first pixel.
        infrared_size: (height, width) of the frames that it was made from.
        visible_size: the same.
        rms: root mean square of the distances, in visible pixels, between the points it was
            estimated from and where it puts them.
        worst: the largest of them.
        points: how many points; four always fit exactly, so then the errors mean nothing.
        method: "chessboard", "points" or "matching".
    """

    homography: tuple[tuple[float, ...], ...]
    infrared_size: Size
    visible_size: Size
    rms: float
    worst: float
    points: int
    method: str

    @property
    def matrix(self) -> Matrix:
        """The homography, float64 (3, 3)."""
        return np.array(self.homography, np.float64)

    def check_sizes(self, infrared: Size, visible: Size) -> None:
        """See that frames are of the sizes that the calibration is for.

        Raises:
            UserError: they are not. A camera may scale or crop to get another size; only a new
                calibration can tell.
        """
        for name, got, expected in (
            ("infrared", infrared, self.infrared_size),
            ("visible", visible, self.visible_size),
        ):
            if got != expected:
                raise UserError(
                    f"the calibration is for {name} frames of {_text(expected)} (height x width), "
                    f"these are {_text(got)}: set the camera to that, or calibrate again"
                )

    def align(self, infrared: NDArray[Any], visible_size: Size) -> NDArray[Any]:
        """Warp an infrared frame onto the visible one, with bilinear interpolation.

        What lies outside the infrared view is 0, black: there the network takes the visible frame
        (a smeared border would be fused as if it were there). `view` says where that is.

        Args:
            infrared: uint8, uint16 or float32, (H, W) of `infrared_size`.
            visible_size: (height, width) of the visible frame.

        Returns:
            the same type, in the size of the visible frame.

        Raises:
            UserError: frames of another size than the calibration's.
        """
        height, width = infrared.shape
        self.check_sizes((height, width), visible_size)
        return cv2.warpPerspective(infrared, self.matrix, self.visible_size[::-1])

    def view(self) -> NDArray[np.bool_]:
        """Which pixels of the visible frame the infrared camera sees wholly, (H, W)."""
        everywhere = np.full(self.infrared_size, 255, np.uint8)
        seen = cv2.warpPerspective(everywhere, self.matrix, self.visible_size[::-1])
        view: NDArray[np.bool_] = seen == 255
        return view


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write it as JSON, whole or not at all."""
    content = json.dumps({"format": FORMAT, **asdict(calibration)}, indent=2) + "\n"
    write_atomically(path, content.encode())


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote, or somebody by hand.

    Raises:
        UserError: the file cannot be read, or is not a calibration, and why.
    """
    try:
        fields = json.loads(path.read_bytes())
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise ValueError(f'"format" is not "{FORMAT}"')
        return _checked(fields)
    except OSError as error:
        raise UserError(f"{path}: cannot read the calibration ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # of Unicode and JSON, too
        raise UserError(
            f"{path}: not a calibration ({error}); make one with ship-deploy calibrate"
        ) from error


def _checked(fields: dict[str, Any]) -> Calibration:
    """Every key, of the right type and in its range; ValueError otherwise."""
    most = most_pixels()

    def take(key: str, sound: Callable[[Any], bool], what: str) -> Any:
        if key not in fields or not sound(fields[key]):
            raise ValueError(f'"{key}" is not {what}')
        return fields[key]

    def number(value: Any) -> bool:
        return type(value) in (int, float) and abs(value) < LARGEST

    def row(value: Any) -> bool:
        return isinstance(value, list) and len(value) == 3 and all(map(number, value))

    def size(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) == 2
            and all(type(side) is int and SMALLEST <= side < 1 << 15 for side in value)
            and value[0] * value[1] <= most
        )

    rows = take(
        "homography",
        lambda value: isinstance(value, list) and len(value) == 3 and all(map(row, value)),
        "three rows of three numbers",
    )
    sizes = {
        key: tuple(take(key, size, f"[height, width] from {SMALLEST} up, {most:,} pixels at most"))
        for key in ("infrared_size", "visible_size")
    }
    if not keeps_orientation(np.array(rows, np.float64), sizes["infrared_size"]):
        raise ValueError('"homography" turns the infrared frame inside out')
    return Calibration(
        homography=tuple(tuple(float(v) for v in row) for row in rows),
        rms=take("rms", lambda v: number(v) and v >= 0, "a number of pixels"),
        worst=take("worst", lambda v: number(v) and v >= 0, "a number of pixels"),
        points=take("points", lambda v: type(v) is int and v >= 4, "a count from 4 up"),
        method=take("method", lambda v: isinstance(v, str), "a text"),
        **sizes,
    )


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
