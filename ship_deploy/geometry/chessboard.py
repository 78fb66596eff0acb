"""A chessboard that both cameras see: warmed by sun or lamp, its squares differ in infrared."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.geometry.homography import Points

WIDTH = 640  # pixels; smaller thermal frames are enlarged, or the finder misses their corners


def find_corners(
    visible: NDArray[Any], infrared: NDArray[np.uint8], board: tuple[int, int]
) -> tuple[Points, Points]:
    """The inner corners of a chessboard in a pair of frames, infrared first, in one order.

    The board may be black on white in one frame and white on black in the other. The cameras must
    be upright beside each other, to some 45 degrees: a chessboard looks the same upside down.

    Args:
        visible: uint8 (H, W) or (H, W, 3).
        infrared: uint8 (H, W).
        board: inner corners (rows, columns), not equal.

    Returns:
        two arrays (rows * columns, 2).

    Raises:
        UserError: the frame in which the board was not found.
    """
    if visible.ndim == 3:
        visible = cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY)
    source, target = _find(infrared, board, "infrared"), _find(visible, board, "visible")
    # Found from the other end in one of them: then the two run against each other.
    if ((source - source.mean(axis=0)) * (target - target.mean(axis=0))).sum() < 0:
        source = source[::-1]
    return source, target


def _find(image: NDArray[np.uint8], board: tuple[int, int], name: str) -> Points:
    rows, columns = board
    factor = max(1, -(-WIDTH // image.shape[1]))
    large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    # Linear, and not normalised: the rims that cubic and CALIB_CB_NORMALIZE_IMAGE make mislead it.
    flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
    found, corners = cv2.findChessboardCornersSB(large, (columns, rows), flags=flags)
    if found:
        points: Points = (corners.reshape(-1, 2).astype(np.float64) + 0.5) / factor - 0.5
        return points
    raise UserError(
        f"no chessboard of {rows}x{columns} inner corners in the {name} frame; all of it must be "
        "in view, in focus and, for infrared, warm"
    )
