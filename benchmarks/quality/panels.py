"""Crops around strong edges, enlarged, fused by several methods: to be looked at for beads."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.methods import Method, find_methods, named
from benchmarks.pairs import PERCENTILES
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import Frames, stretch
from ship_deploy.images import find_pairs, read_infrared, read_visible
from training.data import grey
from training.scenes import render

SIDE, SCALE = 48, 3  # pixels of a crop, and by how much it is enlarged
GAP, LABEL = 4, 22  # pixels between pictures, and above each column for its name
BLOCKS = 2  # columns of crops


class Scene(NamedTuple):
    """An aligned pair of one scene: uint8, BGR or grey, and (H, W)."""

    name: str
    visible: Frames
    infrared: Frames


def run(data: Sequence[str], methods: Sequence[str], output: Path, crops: int) -> None:
    """Write panels.jpg into `output`: each crop as visible, infrared and fused by every method.

    Of scenes spread evenly over the data, the window with the strongest edges.

    Args:
        data: `[NAME=]PATH` each, a folder with `visible/` and `infrared/`; none: drawn streets.
        methods: see `benchmarks.methods.find_methods`.
        output: the folder; gets the exported models, too.
        crops: how many.

    Raises:
        UserError: the data or a method cannot be used.
    """
    scenes = _read(data, crops) if data else [_draw(seed) for seed in range(crops)]
    make_folder(output)
    found = find_methods(methods, output / "models")
    rows = [_row(scene, found) for scene in scenes]
    sheet = _sheet(rows, ["visible", "infrared", *(method.name for method in found)])
    _, content = cv2.imencode(".jpg", sheet, (cv2.IMWRITE_JPEG_QUALITY, 85))
    write_atomically(output / "panels.jpg", content.tobytes())


def strongest(scene: Scene) -> tuple[int, int]:
    """Top and left of the window whose steepest source has the largest slopes, summed."""
    slopes = [
        cv2.magnitude(*(cv2.Sobel(frame, cv2.CV_32F, dx, 1 - dx) for dx in (0, 1)))
        for frame in (grey(scene.visible), scene.infrared)
    ]
    sums = cv2.boxFilter(np.maximum(*slopes), -1, (SIDE, SIDE), anchor=(0, 0))
    inside = sums[: sums.shape[0] - SIDE + 1, : sums.shape[1] - SIDE + 1]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return int(top), int(left)


def _read(data: Sequence[str], crops: int) -> list[Scene]:
    pairs = [
        (f"{name} {pair.name}", pair)
        for name, path in map(named, data)
        for pair in find_pairs(path / "visible", path / "infrared")
    ]
    places = np.linspace(0, len(pairs) - 1, min(crops, len(pairs))).round().astype(int)
    return [
        Scene(name, read_visible(pair.visible), stretch(read_infrared(pair.infrared), PERCENTILES))
        for name, pair in (pairs[place] for place in places)
    ]


def _draw(seed: int) -> Scene:
    return Scene(f"street {seed}", *render(seed))


def _row(scene: Scene, methods: Sequence[Method]) -> tuple[str, list[Frames]]:
    top, left = strongest(scene)
    frames = [scene.visible, scene.infrared]
    frames += [method.fuse(scene.name, *frames[:2]) for method in methods]
    crops = [frame[top : top + SIDE, left : left + SIDE] for frame in frames]
    size = SIDE * SCALE, SIDE * SCALE
    enlarged = [cv2.resize(crop, size, interpolation=cv2.INTER_NEAREST) for crop in crops]
    coloured = [cv2.cvtColor(e, cv2.COLOR_GRAY2BGR) if e.ndim == 2 else e for e in enlarged]
    return f"{scene.name}, {left}, {top}", [np.asarray(c, np.uint8) for c in coloured]


def _sheet(rows: Sequence[tuple[str, list[Frames]]], columns: Sequence[str]) -> Frames:
    """All rows in `BLOCKS` blocks beside each other, black on white."""
    step = SIDE * SCALE + GAP
    tall = -(-len(rows) // BLOCKS)
    wide = len(columns) * step + 2 * GAP
    sheet = np.full((LABEL + tall * (step + LABEL), BLOCKS * wide, 3), 255, np.uint8)
    for index, (name, crops) in enumerate(rows):
        block, place = divmod(index, tall)
        top = LABEL + place * (step + LABEL)
        _write(sheet, name, block * wide, top + LABEL - 7)
        for column, crop in enumerate(crops):
            left = block * wide + column * step
            _write(sheet, columns[column], left, LABEL - 7)
            sheet[top + LABEL :, left:][: len(crop), : crop.shape[1]] = crop
    return sheet


def _write(sheet: Frames, text: str, left: int, base: int) -> None:
    cv2.putText(
        sheet, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA
    )
