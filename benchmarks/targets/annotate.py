"""Masks for `loss.targets`: people and vehicles that the detector finds in either source."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.pairs import PERCENTILES, real_pairs
from benchmarks.targets.detector import KINDS, Detection, detect, missing
from benchmarks.targets.detector.found import join
from benchmarks.targets.measures import Box, find_target
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames, stretch
from ship_deploy.images import write_png
from training.data import grey

SCORE = 0.2  # from which a detection counts
SHORTEST = 5  # pixels of a box's shorter side
MOST = 255  # targets of one pair, by score


def run(folders: Sequence[Path]) -> str:
    """Write the masks of every pair of every folder; a table of how many targets there are.

    Args:
        folders: with visible/ and infrared/; get masks/NAME.png, (H, W) uint8: 0, or the target's
            number. A smaller target lies before a larger one.

    Raises:
        UserError: the detector cannot run, or a folder has masks already.
    """
    if reason := missing():
        raise UserError(reason)
    lines = ["| data | pairs | targets |", "|---|---:|---:|"]
    for folder in folders:
        masks = folder / "masks"
        if masks.exists():
            raise UserError(f"{masks}: exists already")
        pairs = [
            (pair.name, grey(pair.visible), stretch(pair.infrared, PERCENTILES))
            for pair in real_pairs(folder)
        ]
        total = 0
        with tempfile.TemporaryDirectory() as place:
            paths = {}
            for name, *sources in pairs:
                paths[name] = [Path(place, f"{name}.{kind}.png") for kind in range(2)]
                for path, source in zip(paths[name], sources, strict=True):
                    write_png(path, source)
            seen = detect([path for both in paths.values() for path in both], Path(place, "seen"))
        make_folder(masks)
        for name, visible, infrared in pairs:
            found = join(*(seen[path] for path in paths[name]))
            numbers = number(visible, infrared, found)
            write_png(masks / f"{name}.png", numbers)
            total += np.unique(numbers[numbers > 0]).size
        lines.append(f"| {folder} | {len(pairs)} | {total} |")
    return "\n".join(lines)


def number(visible: Frames, infrared: Frames, found: Sequence[Detection]) -> Frames:
    """The pixels of what was found, numbered from 1; (H, W) uint8.

    Args:
        visible: luminance, (H, W) uint8.
        infrared: (H, W) uint8.
        found: from the surest on.
    """
    height, width = visible.shape
    boxes = []
    for one in found:
        if one.score < SCORE or one.kind not in KINDS:
            continue
        left, top = (max(round(one.box[n]), 0) for n in (0, 1))
        right = min(round(one.box[0] + one.box[2]), width)
        bottom = min(round(one.box[1] + one.box[3]), height)
        box: Box = (left, top, right - left, bottom - top)
        # One that fills the frame has no ring.
        if min(box[2:]) >= SHORTEST and box[2:] != (width, height):
            boxes.append(box)
    numbers = np.zeros((height, width), np.uint8)
    largest_first = sorted(boxes[:MOST], key=lambda box: -box[2] * box[3])
    for n, box in enumerate(largest_first, 1):
        numbers[find_target(visible, infrared, box).mask] = n
    return numbers
