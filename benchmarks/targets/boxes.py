"""Where targets and visible detail are in real pairs: drawn by hand, by looking at both sources."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.targets.measures import Box
from ship_deploy.errors import UserError

BOXES = Path(__file__).with_name("boxes.json")


@dataclass(frozen=True)
class Region:
    """A box and what is in it.

    Attributes:
        box: in pixels.
        kind: "person", "animal", "vehicle", "bicycle"; of details "lettering", "branches", ...
        note: what is hard about it.
        only: the source that alone shows it, where one was seen to.
    """

    box: Box
    kind: str
    note: str = ""
    only: str | None = None


@dataclass(frozen=True)
class Regions:
    """All boxes of one pair, in pixels of a picture of `size`, (height, width)."""

    size: tuple[int, int]
    targets: list[Region]
    details: list[Region]


def read_boxes(path: Path = BOXES) -> dict[str, Regions]:
    """The boxes of every pair, by the last two folders and the name: "tno/test/01".

    Raises:
        UserError: the file is no such JSON, or a box is not within its picture.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        found = {pair: _regions(of_pair) for pair, of_pair in content.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a file of boxes: {error}") from error
    for pair, regions in found.items():
        height, width = regions.size
        for x, y, wide, tall in (r.box for r in regions.targets + regions.details):
            inside = 0 <= x < x + wide <= width and 0 <= y < y + tall <= height
            if not inside or (wide, tall) == (width, height):
                problem = f"box {[x, y, wide, tall]} is not within {width}x{height}"
                raise UserError(f"{path}: {pair}: {problem}")
    return found


def _regions(of_pair: dict[str, Any]) -> Regions:
    height, width = map(int, of_pair["size"])
    return Regions((height, width), *(_read(of_pair[key]) for key in ("targets", "details")))


def _read(regions: list[dict[str, Any]]) -> list[Region]:
    found = []
    for region in regions:
        x, y, width, height = map(int, region["box"])
        note, only = region.get("note", ""), region.get("only")
        if only not in (None, "visible", "infrared"):
            raise ValueError(f"only is {only!r}, expected visible or infrared")
        found.append(Region((x, y, width, height), region["class"], note, only))
    return found
