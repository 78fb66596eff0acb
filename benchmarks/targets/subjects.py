"""What is judged: real pairs with boxes, and rendered scenes with exact masks."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.methods import named
from benchmarks.pairs import list_pairs, read_pair
from benchmarks.targets.boxes import Region, Regions
from benchmarks.targets.measures import Box, Target, contrast, detail, find_target
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames
from ship_deploy.images import FilePair
from training.data import grey
from training.scenes import hard_scene

RENDERED = "rendered"  # the data set of that name
SEEDS = range(10_000, 10_200)  # no training draws them
TILE, TILES = 64, 4  # pixels a side, and how many of a rendered scene are judged for detail
TEXTURE = 8.0  # grey levels, RMS: a tile with less detail in the visible frame is not judged


class Seen(NamedTuple):
    """A pair as it is fused, and what is to be found in it.

    Attributes:
        visible: BGR (H, W, 3) or grey (H, W).
        infrared: (H, W).
        targets: where they are and how the better source shows them.
        details: regions of visible detail.
        names: of the targets, then of the details.
    """

    visible: Frames
    infrared: Frames
    targets: list[Target]
    details: list[Box]
    names: list[str]


class Offset(NamedTuple):
    """How the infrared frame is out of place: shifted to the right, and enlarged from its centre.

    Attributes:
        pixels: of the shift.
        scale: 1.02 enlarges by 2%.
    """

    pixels: float = 0
    scale: float = 1

    def __str__(self) -> str:
        moved = [f"{self.pixels:g} px"] if self.pixels else []
        moved += [f"{100 * (self.scale - 1):.0f}% larger"] if self.scale != 1 else []
        return ", ".join(moved) or "aligned"

    def apply(self, seen: Seen) -> Seen:
        """The same with its infrared frame out of place, and with it the targets that it shows."""
        infrared = self._move(seen.infrared, cv2.INTER_LANCZOS4, cv2.BORDER_REPLICATE)
        targets = [t if t.source == "visible" else self._follow(t, infrared) for t in seen.targets]
        return seen._replace(infrared=infrared, targets=targets)

    def _follow(self, target: Target, infrared: Frames) -> Target:
        mask, ring = (
            self._move(pixels.view(np.uint8), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT).view(np.bool_)
            for pixels in (target.mask, target.ring)
        )
        visible = mask.any() and ring.any()  # and not moved out of the frame
        levels = contrast(infrared, mask, ring) if visible else 0.0
        return replace(target, mask=mask, ring=ring, levels=levels)

    def _move(self, image: Frames, interpolation: int, border: int) -> Frames:
        height, width = image.shape
        matrix = np.array(
            [
                [self.scale, 0, (1 - self.scale) * (width - 1) / 2 + self.pixels],
                [0, self.scale, (1 - self.scale) * (height - 1) / 2],
            ],
            np.float32,
        )
        moved = cv2.warpAffine(
            image, matrix, (width, height), flags=interpolation, borderMode=border
        )
        return np.asarray(moved, np.uint8)


ALIGNED = Offset()


@dataclass(frozen=True)
class Subject:
    """A pair to judge, before it is read.

    Attributes:
        data: its data set.
        name: unique in it.
        pair: its files; None for a rendered scene.
        regions: boxes in a pair of files.
        seed: of a rendered scene.
        offset: by which its infrared frame is out of place.
    """

    data: str
    name: str
    pair: FilePair | None = None
    regions: Regions = field(default_factory=lambda: Regions((0, 0), [], []))
    seed: int = 0
    offset: Offset = ALIGNED

    def read(self) -> Seen:
        """Read or render it.

        Raises:
            UserError: a file is unreadable, or the boxes are of a picture of another size.
        """
        seen = self._read()
        return seen if self.offset == ALIGNED else self.offset.apply(seen)

    def _read(self) -> Seen:
        if self.pair is None:
            return _render(self.seed)
        visible, infrared = read_pair(self.pair)
        if infrared.shape != self.regions.size:
            sizes = f"{infrared.shape}, but its boxes are of {self.regions.size}"
            raise UserError(f"{self.pair.infrared}: {sizes}")
        own = grey(visible)
        return Seen(
            visible,
            infrared,
            [find_target(own, infrared, t.box, only=t.only) for t in self.regions.targets],
            [region.box for region in self.regions.details],
            [_name(r) for r in self.regions.targets + self.regions.details],
        )


def find_subjects(
    data: list[str], boxes: dict[str, Regions], limit: int | None, problems: list[str]
) -> list[Subject]:
    """All pairs to judge.

    Args:
        data: each `[NAME=]PATH` of a folder with `visible/` and `infrared/`, or "rendered". Folders
            of one name are one data set.
        boxes: of the pairs; what has none is left out.
        limit: pairs of each folder, evenly spread; all if None.
        problems: gets what has no partner.

    Raises:
        UserError: a folder holds no pairs, or none with boxes.
    """
    subjects: list[Subject] = []
    for text in data:
        if text == RENDERED:
            found = [Subject(RENDERED, str(seed), seed=seed) for seed in SEEDS]
        else:
            name, folder = named(text)
            found = _with_boxes(name, folder, boxes, problems)
        count = min(limit or len(found), len(found))
        subjects += [found[n * len(found) // count] for n in range(count)]
    keys = [(subject.data, subject.name) for subject in subjects]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise UserError(f"two pairs are called {'/'.join(repeated[0])}; write NAME=PATH")
    return subjects


def _with_boxes(
    name: str, folder: Path, boxes: dict[str, Regions], problems: list[str]
) -> list[Subject]:
    place = "/".join(folder.resolve().parts[-2:])
    pairs = [(f"{place}/{pair.name}", pair) for pair in list_pairs(folder, problems)]
    found = [
        Subject(name, f"{folder.resolve().parts[-2]}-{pair.name}", pair, boxes[key])
        for key, pair in pairs
        if key in boxes
    ]
    if not found:
        raise UserError(f"{folder}: no pair has boxes; they are known as {place}/NAME")
    return found


def _render(seed: int) -> Seen:
    drawn = hard_scene(seed)
    own = grey(drawn.visible)
    targets = [
        find_target(own, drawn.infrared, _around(target.mask), target.mask)
        for target in drawn.targets
    ]
    details = _textured(own, [target.mask for target in drawn.targets])
    names = [target.kind for target in drawn.targets] + ["texture"] * len(details)
    return Seen(drawn.visible, drawn.infrared, targets, details, names)


def _around(mask: np.ndarray) -> Box:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, width, height


def _textured(visible: Frames, masks: list[np.ndarray]) -> list[Box]:
    """The tiles with most detail in the visible frame, and no target in them."""
    energy = detail(visible) ** 2
    tiles = []
    for y in range(0, visible.shape[0] - TILE + 1, TILE):
        for x in range(0, visible.shape[1] - TILE + 1, TILE):
            place = slice(y, y + TILE), slice(x, x + TILE)
            strength = float(energy[place].mean()) ** 0.5
            if strength >= TEXTURE and not any(mask[place].any() for mask in masks):
                tiles.append((strength, (x, y, TILE, TILE)))
    return [tile for _, tile in sorted(tiles, reverse=True)[:TILES]]


def _name(region: Region) -> str:
    return f"{region.kind}, {region.note}" if region.note else region.kind
