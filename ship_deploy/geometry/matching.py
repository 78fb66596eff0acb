"""Finding the homography of two cameras from what they see, without a chessboard.

First the infrared frame as a whole is tried on the visible one, in all scales, places and a few
angles. Then patches of it are looked for near where that puts them, in three rounds from coarse to
fine, and RANSAC keeps those that one homography explains. Several pairs of one rig are searched
together, which is how weak pairs help each other.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.geometry.descriptors import Channels, correlate, describe
from ship_deploy.geometry.homography import Matrix, Points, coverage, keeps_orientation, project

Grey = NDArray[np.uint8]  # (H, W)

COARSE_WIDTH = 160  # pixels of the visible frame in the first search
SCALES = np.geomspace(0.4, 1.25, 24)  # width of the infrared view in widths of the visible one
ANGLES = (-4.0, -2.0, 0.0, 2.0, 4.0)  # degrees
ALIKE = 0.25  # correlation from which on a patch counts as found
FEWEST, SHARE, AREA = 40, 0.5, 0.3  # least number and share of inliers, and of the infrared frame
HELP = "take pairs with more edges in both, spread over the frame, or give --points"


class Round(NamedTuple):
    """One search for patches: sizes in pixels of a visible frame scaled to `width`."""

    width: int
    reach: int  # how far a patch is looked for
    half: int  # of a patch's side
    tolerance: float  # of RANSAC


ROUNDS = (
    Round(320, 20, 32, 4.0),
    Round(320, 12, 28, 3.0),
    Round(640, 12, 40, 3.0),
    Round(640, 8, 32, 2.5),
)


class Matches(NamedTuple):
    """Points (N, 2) of the infrared frame, and where they are in the visible one."""

    infrared: Points
    visible: Points


def match(visible: Sequence[Grey], infrared: Sequence[Grey]) -> Matches:
    """Points that the pairs have in common and one homography explains.

    Args:
        visible: uint8 (H, W), all of one size.
        infrared: their partners, of another size, roughly upright (to some 6 degrees) beside it.

    Raises:
        UserError: too little in common.
    """
    matrix = _search(visible, infrared)
    for step in ROUNDS:
        found = _find_patches(visible, infrared, matrix, step)
        matrix, inliers = _agree(found, step.tolerance * visible[0].shape[1] / step.width)
    kept = Matches(found.infrared[inliers], found.visible[inliers])
    share = len(kept.visible) / len(found.visible)
    area = coverage(kept.infrared, infrared[0].shape)
    if len(kept.visible) < FEWEST or share < SHARE or area < AREA:
        raise UserError(
            f"the frames do not match: {len(kept.visible)} of {len(found.visible)} points agree, "
            f"over {area:.0%} of the infrared frame; {HELP}"
        )
    if not keeps_orientation(matrix, infrared[0].shape):
        raise UserError(f"the frames do not match: the best fit folds the infrared one; {HELP}")
    return kept


def _search(visible: Sequence[Grey], infrared: Sequence[Grey]) -> Matrix:
    """The best of all scales, places and ANGLES, at low resolution."""
    factor = COARSE_WIDTH / visible[0].shape[1]
    margin = COARSE_WIDTH // 4  # the infrared view may reach over the border
    smaller = [_scaled(image, factor) for image in visible]
    places = [
        np.pad(describe(image), ((0, 0), (margin, margin), (margin, margin)))
        for image, _ in smaller
    ]
    best, found = -np.inf, np.eye(3)
    for scale in SCALES * (COARSE_WIDTH / infrared[0].shape[1]):
        small = [_scaled(image, scale) for image in infrared]
        size, scaling = small[0][0].shape, small[0][1]
        centre = (size[1] - 1) / 2, (size[0] - 1) / 2
        cut = max(2, round(0.06 * min(size)))  # what turning smears
        if any(s > p for s, p in zip(size, places[0].shape[1:], strict=True)):
            continue
        for angle in ANGLES:
            turn = cv2.getRotationMatrix2D(centre, angle, 1)
            total = np.sum(
                [
                    correlate(place, _turned(image, turn, cut))
                    for place, (image, _) in zip(places, small, strict=True)
                ],
                axis=0,
            )
            _, peak, _, (x, y) = cv2.minMaxLoc(total)
            score = peak * np.sqrt(scale)  # a small view correlates well by chance
            if score > best:
                best = score
                move = np.array([[1, 0, x - margin - cut], [0, 1, y - margin - cut], [0, 0, 1.0]])
                found = move @ np.vstack([turn, (0, 0, 1)]) @ scaling
    return np.linalg.inv(smaller[0][1]) @ found


def _turned(image: Grey, turn: NDArray[Any], cut: int) -> Channels:
    turned = cv2.warpAffine(image, turn, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return describe(turned)[:, cut:-cut, cut:-cut]


def _find_patches(
    visible: Sequence[Grey], infrared: Sequence[Grey], matrix: Matrix, step: Round
) -> Matches:
    """Where patches of the infrared frames, warped by `matrix`, really are in the visible ones."""
    factor = step.width / visible[0].shape[1]
    sources: list[tuple[float, float]] = []
    targets: list[tuple[float, float]] = []
    for one, other in zip(visible, infrared, strict=True):
        scaled, scaling = _scaled(one, factor)
        start = scaling @ matrix
        size = scaled.shape[::-1]
        target = describe(scaled)
        view = cv2.erode(
            cv2.warpPerspective(np.ones_like(other), start, size), np.ones((7, 7), np.uint8)
        )
        warped = cv2.warpPerspective(other, start, size, borderMode=cv2.BORDER_REPLICATE)
        source = describe(warped) * view
        for x, y in _grid(scaled.shape, step.half):
            box = np.s_[y - step.half : y + step.half + 1, x - step.half : x + step.half + 1]
            if view[box].mean() < 0.8:
                continue
            left, top = max(0, x - step.half - step.reach), max(0, y - step.half - step.reach)
            right, bottom = x + step.half + step.reach + 1, y + step.half + step.reach + 1
            correlation = correlate(target[:, top:bottom, left:right], source[(slice(None), *box)])
            peak = _peak(correlation)
            if peak is not None:
                sources.append((x, y))
                targets.append((left + step.half + peak[0], top + step.half + peak[1]))
    if len(sources) < FEWEST:
        raise UserError(f"the frames do not match: {len(sources)} points found; {HELP}")
    return Matches(
        project(np.linalg.inv(start), np.array(sources, np.float64)),
        project(np.linalg.inv(scaling), np.array(targets, np.float64)),
    )


def _grid(size: tuple[int, ...], half: int, rows: int = 14) -> list[tuple[int, int]]:
    height, width = size
    across = np.linspace(half, width - 1 - half, round(rows * width / height)).astype(int)
    down = np.linspace(half, height - 1 - half, rows).astype(int)
    return [(int(x), int(y)) for y in down for x in across]


def _peak(correlation: NDArray[np.float32]) -> tuple[float, float] | None:
    """(x, y) of the highest place, to a part of a pixel; None at the border or if it is low."""
    _, height, _, (x, y) = cv2.minMaxLoc(correlation)
    bottom, right = correlation.shape[0] - 1, correlation.shape[1] - 1
    if height < ALIKE or not (0 < x < right and 0 < y < bottom):
        return None

    def part(before: float, after: float) -> float:  # the vertex of the parabola through three
        bend = 2 * height - before - after
        return 0.0 if bend <= 0 else float(np.clip((after - before) / (2 * bend), -0.5, 0.5))

    return (
        x + part(correlation[y, x - 1], correlation[y, x + 1]),
        y + part(correlation[y - 1, x], correlation[y + 1, x]),
    )


def _agree(found: Matches, tolerance: float) -> tuple[Matrix, NDArray[np.bool_]]:
    matrix, inliers = cv2.findHomography(
        found.infrared, found.visible, cv2.USAC_MAGSAC, tolerance, None, 5000, 0.9999
    )
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise UserError(f"the frames do not match: no homography explains the points; {HELP}")
    return matrix.astype(np.float64), inliers.ravel() > 0


def _scaled(image: Grey, factor: float) -> tuple[Grey, Matrix]:
    """An image in another size, whole pixels, and what that does to (x, y, 1)."""
    height, width = image.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    x, y = size[0] / width, size[1] / height
    # (0, 0) is the centre of a pixel, so the corner of the frame, half a pixel off, stays.
    return scaled, np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])
