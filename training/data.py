"""Aligned pairs from folders: how they are laid out, what is refused, decoding, once, on all cores.

A folder holds `visible/` and `infrared/`, or what public data sets call them, see `LAYOUTS`, in
upper or lower case, paired by name as `group_by_scene` does; and perhaps `saliency/`, or `mask_vi/`
as SHIP's authors call it, and `masks/` of known targets: 0, or the target's number. Where each of
them holds a `train/`, as LLVIP's do, only that is read.
"""

import difflib
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import PERCENTILES, Frames, stretch
from ship_deploy.images import read_infrared, read_visible
from ship_deploy.names import Kind, group_by_scene, is_image, name_some
from training import cache, colour
from training.config import Pairs
from training.parallel import in_order
from training.saliency import mask

LAYOUTS = (
    ("visible", "infrared"),  # ours, LLVIP
    ("Vis", "Ir"),  # M3FD
    ("vi", "ir"),  # MSRS, in its train/ and in its test/
    ("crop_LR_visible", "cropinfrared"),  # RoadScene
    ("visible", "lwir"),  # KAIST
    ("RGB", "thermal_8_bit"),  # FLIR ADAS
)
SALIENCY = ("saliency", "mask_vi")  # ours, SHIP's; the first that is there


class Pair(NamedTuple):
    """Aligned frames of one scene, uint8, (4, H, W): luminance, infrared, saliency, targets.

    The digest is SHA-256 of its files, in hex.
    """

    name: str
    frames: Tensor
    digest: str


class Files(NamedTuple):
    """The files of one pair; without one for the saliency it is computed from the luminance."""

    visible: Path
    infrared: Path
    saliency: Path | None
    targets: Path | None


def read_folders(
    key: str, folders: Sequence[Pairs], smallest: int, cached: Path | None = None
) -> list[list[Pair]]:
    """Decode every pair of every folder; they stay in memory, three bytes a pixel.

    Args:
        key: the key of the config that names the folders, for messages.
        folders: as the module describes them, or with the names of their sub-folders.
        smallest: pixels; shorter frames are refused.
        cached: a folder for the decoded frames, see `training.cache`; they are then mapped from
            there instead of held, and only what is not there yet is decoded.

    Returns:
        The pairs of each folder, sorted by name.

    Raises:
        UserError: a folder is missing; else lists every file that lacks a partner, is unreadable,
            or has the wrong size.
    """
    for folder in folders:
        if not folder.path.is_dir():
            raise UserError(f"{key}: {folder.path}: no such folder{_nearest(folder.path)}")
    if cached:
        make_folder(cached)
    problems: list[str] = []
    pairs: list[list[Pair]] = []
    for folder in folders:
        found = _find_pairs(folder, problems)
        pairs.append([])
        for read in in_order(
            lambda files: _read_pair(files, smallest, cached), found, f"Reading {folder.path}"
        ):
            if isinstance(read, Pair):
                pairs[-1].append(read)
            else:
                problems += read
    if problems:
        raise UserError(f"{key}: {name_some(problems, separator='; ')}")
    return pairs


def describe(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How many pairs a folder has, and SHA-256 of their names and files."""
    lines = "".join(f"{pair.name} {pair.digest}\n" for pair in pairs)
    return {"pairs": len(pairs), "sha256": hashlib.sha256(lines.encode()).hexdigest()}


def read_grey(path: Path) -> Frames:
    """An image file as (H, W), colour weighted as the network does; a UserError if unreadable."""
    return grey(read_visible(path))


def _read_infrared(path: Path) -> Frames:
    """As the runtime gives it to the network."""
    return stretch(read_infrared(path), PERCENTILES)


def grey(image: Frames) -> Frames:
    """A picture, (H, W) or (H, W, 3) BGR, as (H, W), colour weighted as the network does."""
    if image.ndim == 2:
        return image
    luminance = image.astype(np.float32) @ np.array(colour.BGR_TO_YCRCB[0], np.float32)
    return luminance.round().astype(np.uint8)


def _read_targets(path: Path) -> Frames:
    """Numbers of targets, from a grey picture of 8 bits."""
    numbers = read_infrared(path)
    if numbers.dtype != np.uint8:
        raise UserError(f"{path}: {numbers.dtype}, but numbers of targets are uint8")
    return numbers


def find_images(folder: Path) -> dict[str, list[Path]]:
    """A folder's image files by stem, sorted. Several under one stem are the caller's to judge."""
    images = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if is_image(path):
            images[path.stem].append(path)
    return dict(images)


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _nearest(folder: Path) -> str:
    beside = [str(path) for path in _folders(folder.parent)]
    nearest = difflib.get_close_matches(str(folder), beside, n=1, cutoff=0)
    return f"; the nearest is {nearest[0]}" if nearest else ""


def _layout(folder: Path, part: str = "train") -> tuple[Path, Path] | None:
    """The two folders, whole if there is a layout of which both are there."""
    inside = {path.name.lower(): path for path in _folders(folder)}
    layouts = sorted(LAYOUTS, key=lambda kinds: -sum(kind.lower() in inside for kind in kinds))
    if not any(kind.lower() in inside for kind in layouts[0]):
        return None
    visible, infrared = (inside.get(kind.lower(), folder / kind) for kind in layouts[0])
    if (visible / part).is_dir() and (infrared / part).is_dir():
        return visible / part, infrared / part
    return visible, infrared


def find_kinds(folder: Pairs, problems: list[str], part: str = "train") -> tuple[Path, Path] | None:
    """The folders of visible and of infrared frames, with the `part` of them if it is in both.

    None if they are not there; what is wrong is then added to the problems.
    """
    if folder.visible is not None and folder.infrared is not None:
        named = folder.path / folder.visible, folder.path / folder.infrared
        problems += [
            f"{path}: no such folder{_nearest(path)}" for path in named if not path.is_dir()
        ]
        return named if all(path.is_dir() for path in named) else None
    if (kinds := _layout(folder.path, part)) is None:
        expected = ", ".join(f"{visible}/ and {infrared}/" for visible, infrared in LAYOUTS)
        found = [path for path in _folders(folder.path) if _layout(path)]
        advice = "or name them, as visible: NAME and infrared: NAME"
        advice = f"try {', '.join(map(str, found))}" if found else advice
        problems.append(f"{folder.path}: none of {expected}; {advice}")
    return kinds


def _find_pairs(source: Pairs, problems: list[str]) -> list[Files]:
    folder, kinds = source.path, find_kinds(source, problems)
    if kinds is None:
        return []
    saliency = next((folder / name for name in SALIENCY if (folder / name).is_dir()), None)
    targets = folder / "masks" if (folder / "masks").is_dir() else None
    return pair_up(kinds, problems, saliency, targets)


def pair_up(
    kinds: tuple[Path, Path],
    problems: list[str],
    saliency: Path | None = None,
    targets: Path | None = None,
) -> list[Files]:
    """The files of folders by scene; whatever lacks a partner is added to the problems."""
    places: list[tuple[Path, Kind]] = [(kinds[0], "visible"), (kinds[1], "infrared")]
    more = [place for place in (saliency, targets) if place]
    places += [(place, "visible") for place in more]
    groups = group_by_scene(places)
    images = {place: group for (place, _), group in zip(places, groups, strict=True)}
    stems = sorted(set().union(*images.values()))
    if not stems:
        problems.append(f"{kinds[0]} and {kinds[1].name}/: no images")
    pairs = []
    for stem in stems:
        paths = {place: found.get(stem, []) for place, found in images.items()}
        wrong = {place: len(files) for place, files in paths.items() if len(files) != 1}
        problems += [f"{place / stem}.*: {n} files instead of one" for place, n in wrong.items()]
        if not wrong:
            visible, infrared = (paths[place][0] for place, _ in places[:2])
            perhaps = (paths[place][0] if place else None for place in (saliency, targets))
            pairs.append(Files(visible, infrared, *perhaps))
    return pairs


def _read_pair(files: Files, smallest: int, cached: Path | None) -> Pair | list[str]:
    """The pair, or all that is wrong with it."""
    paths = [path for path in files if path is not None]
    kept = cache.entry(cached, paths) if cached else None
    frames = cache.load(kept) if kept else None
    if frames is None:
        decoded = _decode(files)
        if isinstance(decoded, list):
            return decoded
        frames = decoded
        if kept:
            cache.save(kept, frames)
            frames = cache.load(kept)
            assert frames is not None
    height, width = frames.shape[1:]
    if min(height, width) < smallest:
        return [f"{paths[0]}: {width}x{height}, smaller than {smallest}x{smallest}"]
    content = hashlib.sha256()
    for path in paths:
        content.update(path.read_bytes())
    return Pair(files.visible.stem, torch.from_numpy(frames), content.hexdigest())


def _decode(files: Files) -> Frames | list[str]:
    """Luminance, infrared, saliency and targets, (4, H, W), or all that is wrong with the files."""
    frames: list[Frames] = []
    problems = []
    readers = (read_grey, _read_infrared, read_grey, _read_targets)
    for path, read in zip(files, readers, strict=True):
        try:
            frames.append(read(path) if path else np.zeros_like(frames[0]))
        except UserError as error:
            problems.append(str(error))
    if problems:
        return problems
    height, width = frames[0].shape
    for path, frame in zip(files, frames, strict=True):
        if frame.shape != (height, width):
            size = f"{frame.shape[1]}x{frame.shape[0]}"
            return [f"{path}: {size}, but the visible frame is {width}x{height}"]
    if files.saliency is None:
        frames[2] = mask(frames[0])
    return np.stack(frames)
