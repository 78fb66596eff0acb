"""`ship-deploy calibrate`: pairs of images into a calibration."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy import console
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames, stretch
from ship_deploy.geometry.calibration import Calibration, write_calibration
from ship_deploy.geometry.chessboard import find_corners
from ship_deploy.geometry.homography import Points, coverage, estimate
from ship_deploy.geometry.matching import match
from ship_deploy.geometry.points import read_points
from ship_deploy.images import PairOfFiles, find_pairs, read_infrared, read_visible, write_jpeg

MAX_ERROR = 0.005  # of the visible frame's diagonal: 4 pixels of 640x480
SPARSE = 0.25  # of the infrared frame; points that cover less say little of its rest
PERCENTILES = (0.5, 99.5)  # of infrared frames of more than 8 bits
TILES = 8  # of the checkerboard in the picture, across


def calibrate_files(
    visible: Path,
    infrared: Path,
    output: Path,
    *,
    board: str | None = None,
    points: Path | None = None,
    max_error: float | None = None,
) -> None:
    """Estimate how the infrared view lies in the visible one, from files, and write that.

    Beside the calibration goes a picture to judge it by, of the same name with `.jpg`.

    Args:
        visible: image, or a folder of them.
        infrared: its partner; all taken without moving either camera against the other.
        output: the calibration, `.json`.
        board: inner corners of a chessboard in every pair, "ROWSxCOLUMNS".
        points: file of points, see `read_points`. Without this and `board`, the frames are matched.
        max_error: largest RMS of the points in visible pixels.

    Raises:
        UserError: the first step that failed, and why. Nothing is written then.
    """
    if board is not None and points is not None:
        raise UserError("--board and --points: give one of them")
    if output.suffix.lower() != ".json" or output.is_dir():
        raise UserError(f"{output}: calibrations are written as .json; give such a file")
    pairs = find_pairs(visible, infrared)
    picture = output.with_suffix(".jpg")
    if {output.resolve(), picture.resolve()} & {p.resolve() for pair in pairs for p in pair[1:]}:
        raise UserError(f"{picture}: would overwrite an input; give another output")
    frames = [_read(pair) for pair in pairs]
    _check_one_size(pairs, frames)
    first = frames[0]
    size = first[0].shape[:2], first[1].shape
    method, (there, here) = _points(pairs, frames, board, points)
    matrix, errors = estimate(there, here, size[1])
    rms, worst = float(np.sqrt(np.square(errors).mean())), int(errors.argmax())
    limit = MAX_ERROR * float(np.hypot(*size[0])) if max_error is None else max_error
    if rms > limit:
        raise UserError(
            f"the points are off by {rms:.1f} pixels RMS, the limit is {limit:.1f} (--max-error); "
            f"the worst, number {worst + 1}, infrared {_place(there[worst])} and visible "
            f"{_place(here[worst])}, by {errors[worst]:.1f}"
        )
    calibration = Calibration(
        homography=tuple(tuple(float(v) for v in row) for row in matrix),
        infrared_size=size[1],
        visible_size=size[0],
        rms=rms,
        worst=float(errors[worst]),
        points=len(there),
        method=method,
    )
    drawn = _draw(calibration, *first)
    make_folder(output.parent)
    write_calibration(output, calibration)
    write_jpeg(picture, drawn)
    _report(calibration, len(pairs), coverage(there, size[1]))
    print(output)
    print(picture)


def _points(
    pairs: list[PairOfFiles],
    frames: list[tuple[Frames, Frames]],
    board: str | None,
    points: Path | None,
) -> tuple[str, tuple[Points, Points]]:
    """The method, and points of the infrared and of the visible frames."""
    if points is not None:
        there, here = read_points(points)
        for name, found, frame in (("infrared", there, 1), ("visible", here, 0)):
            _check_inside(points, name, found, frames[0][frame].shape)
        return "points", (there, here)
    if board is None:
        with console.ERR.status("Matching"):
            greys = [_grey(visible) for visible, _ in frames]
            return "matching", match(greys, [infrared for _, infrared in frames])
    corners = []
    for pair, (visible, infrared) in zip(pairs, frames, strict=True):
        try:
            corners.append(find_corners(visible, infrared, _board(board)))
        except UserError as error:
            raise UserError(f"{pair.name}: {error}") from None
    there, here = (np.concatenate(side) for side in zip(*corners, strict=True))
    return "chessboard", (there, here)


def _board(text: str) -> tuple[int, int]:
    parsed = re.fullmatch(r"(\d+)x(\d+)", text)
    rows, columns = (int(part) for part in parsed.groups()) if parsed else (0, 0)
    if min(rows, columns) < 3 or rows == columns:
        raise UserError(
            f"--board is {text!r}, expected its inner corners as ROWSxCOLUMNS, two different "
            "numbers from 3 up, such as 6x9"
        )
    return rows, columns


def _read(pair: PairOfFiles) -> tuple[Frames, Frames]:
    return read_visible(pair.visible), stretch(read_infrared(pair.infrared), PERCENTILES)


def _check_one_size(pairs: list[PairOfFiles], frames: list[tuple[Frames, Frames]]) -> None:
    for pair, both in zip(pairs, frames, strict=True):
        for path, frame, first in zip(pair[1:], both, frames[0], strict=True):
            if frame.shape[:2] != first.shape[:2]:
                (height, width), (h, w) = frame.shape[:2], first.shape[:2]
                raise UserError(f"{path}: {height}x{width}, those before it were {h}x{w}")


def _check_inside(path: Path, name: str, points: Points, size: tuple[int, ...]) -> None:
    outside = (points < -0.5) | (points > np.array([size[1], size[0]]) - 0.5)
    if outside.any():
        number = int(outside.any(axis=1).argmax())
        raise UserError(
            f"{path}: {name} point {number + 1}, {_place(points[number])}, is outside its frame of "
            f"{size[0]}x{size[1]} (height x width)"
        )


def _grey(image: Frames) -> Frames:
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
    return image


def _place(point: NDArray[Any]) -> str:
    return f"({point[0]:.0f}, {point[1]:.0f})"


def _draw(calibration: Calibration, visible: Frames, infrared: Frames) -> Frames:
    """Two panels: tiles of both frames in turn, and infrared edges on the visible frame."""
    height, width = calibration.visible_size
    tiles = cv2.merge([_grey(visible)] * 3)
    aligned = calibration.align(infrared, (height, width))
    side = max(1, -(-width // TILES))
    rows, columns = np.indices((height, width)) // side
    edges = tiles.copy()
    shown = ((rows + columns) % 2 == 1) & calibration.view()
    tiles[shown] = cv2.applyColorMap(aligned, cv2.COLORMAP_INFERNO)[shown]
    strength = cv2.morphologyEx(
        cv2.GaussianBlur(aligned, (0, 0), 1.5), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)
    )
    inside = cv2.erode(calibration.view().astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    strong = inside & (strength > np.percentile(strength[inside], 90)) if inside.any() else inside
    edges[strong] = (0, 140, 255)
    return np.hstack([tiles, edges]).astype(np.uint8, copy=False)


def _report(calibration: Calibration, pairs: int, covered: float) -> None:
    found = f"{calibration.points} points of {pairs} {'pair' if pairs == 1 else 'pairs'}"
    console.ERR.print(
        f"By {calibration.method}: {found}, over {covered:.0%} of the infrared frame; "
        f"{calibration.rms:.2f} visible pixels off (RMS), {calibration.worst:.2f} at worst."
    )
    if calibration.points == 4:
        console.ERR.print("Four points always fit: only the picture tells whether they are right.")
    if covered < SPARSE:
        console.ERR.print("Away from the points the calibration is a guess: see the picture.")
