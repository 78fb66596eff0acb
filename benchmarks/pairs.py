"""Frames to measure on: real pairs, and made-up ones that bring number formats to their ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ship_deploy.errors import UserError
from ship_deploy.frames import Frames, check_pair, stretch
from ship_deploy.images import FilePair, find_pairs, read_infrared, read_visible
from ship_deploy.names import name_some
from training.config import Pairs
from training.data import find_kinds, pair_up
from training.scenes import render

MADE = "made"
PERCENTILES = 0.5, 99.5  # the runtime's own, for infrared frames of more than 8 bits
HARD_SIZE = (96, 128)
FULL_HD = (1080, 1920)


class Pair(NamedTuple):
    """A pair of frames and where it is from.

    Attributes:
        source: folder of the pair, or "made".
        name: of the pair.
        visible: (H, W, 3).
        infrared: (H, W).
    """

    source: str
    name: str
    visible: Frames
    infrared: Frames


def real_pairs(folder: Path, limit: int | None = None) -> Iterator[Pair]:
    """The pairs of a folder, `limit` of them evenly spread."""
    files = find_pairs(folder / "visible", folder / "infrared")
    count = min(limit or len(files), len(files))
    for i in range(count):
        pair = files[i * len(files) // count]
        visible = read_visible(pair.visible)
        if visible.ndim == 2:
            visible = np.repeat(visible[..., None], 3, axis=2)
        source = "/".join(folder.resolve().parts[-2:])
        yield Pair(source, pair.name, visible, read_infrared(pair.infrared))


def list_pairs(folder: Path, problems: list[str]) -> list[FilePair]:
    """The pairs of a data set, laid out as for training; of visible/test/ where there is one.

    Whatever has no partner is added to the problems.

    Raises:
        UserError: there are none.
    """
    found: list[str] = []
    kinds = find_kinds(Pairs(path=folder), found, "test")
    files = pair_up(kinds, found) if kinds else []
    if not files or not kinds:
        raise UserError(f"{folder}: no pairs of images ({name_some(found, separator='; ')})")
    problems += found
    names = [str(pair.visible.relative_to(kinds[0]).with_suffix("")) for pair in files]
    return [
        FilePair(name, pair.visible, pair.infrared) for name, pair in zip(names, files, strict=True)
    ]


def read_pair(pair: FilePair) -> tuple[Frames, Frames]:
    """Visible, BGR or grey, and infrared, 8 bits.

    Raises:
        UserError: a file is unreadable, or the two do not fit.
    """
    visible, infrared = read_visible(pair.visible), read_infrared(pair.infrared)
    try:
        check_pair(visible, infrared)
    except UserError as error:
        raise UserError(f"{pair.visible} and {pair.infrared}: {error}") from error
    return visible, stretch(infrared, PERCENTILES)


def made_pairs() -> Iterator[Pair]:
    """Black, constant, saturated, noise; last two large ones, noise and a rendered street."""
    for name, level in (("black", 0), ("constant", 128), ("saturated", 255)):
        grey = np.full((*HARD_SIZE, 3), level, np.uint8)
        yield Pair(MADE, name, grey, grey[..., 0].copy())
    random = np.random.default_rng(0)
    for size in (HARD_SIZE, FULL_HD):
        noise = random.integers(256, size=(*size, 4), dtype=np.uint8)
        yield Pair(MADE, "noise", noise[..., :3].copy(), noise[..., 3].copy())
    yield Pair(MADE, "rendered", *render(0, *FULL_HD))
