"""Estimating a homography from points, and refusing points that cannot give one."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError

Points = NDArray[np.float64]  # (N, 2), x and y in pixels
Matrix = NDArray[np.float64]  # (3, 3)
FEWEST = 4


class Estimate(NamedTuple):
    """A homography, and the distances in pixels of the points that it was estimated from."""

    matrix: Matrix
    errors: NDArray[np.float64]  # (N,)


def estimate(source: Points, target: Points, size: tuple[int, int]) -> Estimate:
    """The homography that takes `source` to `target` with the least squares of distances.

    All points count: a wrong one shows in the errors, it is not dropped.

    Args:
        source: (N, 2), pixels in a frame of `size`.
        target: (N, 2), where they lie in the other frame.
        size: (height, width) of the source frame.

    Raises:
        UserError: fewer than four points, points on a line, or a homography that mirrors or folds
            the frame.
    """
    if len(source) < FEWEST:
        raise UserError(f"{len(source)} points; a homography needs {FEWEST} or more, preferably 8")
    for name, points in (("infrared", source), ("visible", target)):
        _check_spread(name, points)
    found, _ = cv2.findHomography(source, target, 0)
    if found is None or not np.isfinite(found).all():
        raise UserError("no homography fits these points; give others, spread over the frame")
    matrix = found.astype(np.float64)
    if not keeps_orientation(matrix, size):
        raise UserError(
            "the points mirror or fold the infrared frame: is one of the images flipped, or are "
            "the points in a different order?"
        )
    return Estimate(matrix, np.linalg.norm(project(matrix, source) - target, axis=1))


def project(matrix: NDArray[Any], points: Points) -> Points:
    """Points (N, 2) through a homography."""
    return cv2.perspectiveTransform(points[:, None], matrix)[:, 0].astype(np.float64)


def corners(size: tuple[int, int]) -> Points:
    """The centres of the four corner pixels of a frame (height, width), clockwise."""
    bottom, right = size[0] - 1, size[1] - 1
    return np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float64)


def keeps_orientation(matrix: Matrix, size: tuple[int, int]) -> bool:
    """Whether a frame stays a convex quadrilateral, not mirrored, with its horizon outside."""
    homogeneous = np.c_[corners(size), np.ones(4)] @ matrix.T
    depths = homogeneous[:, 2]
    if not (np.isfinite(homogeneous).all() and (depths * depths[0] > 0).all()):
        return False
    quadrilateral = homogeneous[:, :2] / depths[:, None]
    sides = np.roll(quadrilateral, -1, axis=0) - quadrilateral
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool((turns > 1e-6).all())


def coverage(points: Points, size: tuple[int, int]) -> float:
    """The share of a frame (height, width) that the points span, 0 to 1."""
    hull = cv2.convexHull(points.astype(np.float32))
    return float(cv2.contourArea(hull) / (size[0] * size[1]))


def _check_spread(name: str, points: Points) -> None:
    """See that no line holds all points but one; a chessboard is too many to try, and no line.

    The smaller singular value of the centred points is their deviation across the line that fits
    them best.
    """
    few = range(len(points)) if len(points) <= 30 else ()
    for chosen in (points, *(np.delete(points, i, axis=0) for i in few)):
        along, across = np.linalg.svd(chosen - chosen.mean(axis=0), compute_uv=False)
        if across < 0.02 * along or along == 0:
            raise UserError(
                f"the {name} points lie on a line, or too many of them do; "
                "spread them over the frame"
            )
