"""Aligned pairs from folders, decoded once, and the random crops that training sees."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import Dataset

from ship_deploy.errors import UserError
from ship_deploy.frames import Frames
from ship_deploy.images import SUFFIXES, read_visible
from training import colour
from training.config import Data
from training.saliency import mask


class Pairs(Dataset[Tensor]):
    """Random crops of aligned pairs, (3, crop, crop) uint8: luminance, infrared, saliency.

    The saliency is read from `saliency/` where a folder has one, else computed from the luminance.
    Everything is held in memory, three bytes a pixel.

    Attributes:
        weights: how often to draw each pair, relative to the others.

    Raises:
        UserError: lists every file that lacks a partner, is unreadable, or has the wrong size.
    """

    def __init__(self, data: Data) -> None:
        self.crop = data.crop
        self.frames: list[Tensor] = []  # (3, H, W) uint8
        self.weights: list[float] = []
        problems: list[str] = []
        for folder in data.folders:
            pairs = _find_pairs(folder.path, problems)
            for files in track(pairs, f"Reading {folder.path}", transient=True):
                frames = _read_pair(files, data.crop, problems)
                if frames is not None:
                    self.frames.append(frames)
                    self.weights.append(folder.weight / len(pairs))
        if problems:
            raise UserError("the training data cannot be used: " + "; ".join(problems))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Tensor:
        frames = self.frames[index]
        top, left = (_below(size - self.crop + 1) for size in frames.shape[1:])
        frames = frames[:, top : top + self.crop, left : left + self.crop]
        if _below(2):
            frames = frames.flip(2)
        return frames.rot90(_below(4), (1, 2)).contiguous()


def read_grey(path: Path) -> Frames:
    """An image file as (H, W), colour weighted as the network does; a UserError if unreadable."""
    return grey(read_visible(path))


def grey(image: Frames) -> Frames:
    """A picture, (H, W) or (H, W, 3) BGR, as (H, W), colour weighted as the network does."""
    if image.ndim == 2:
        return image
    luminance = image.astype(np.float32) @ np.float32(colour.BGR_TO_YCRCB[0])
    return luminance.round().astype(np.uint8)


def find_images(folder: Path) -> dict[str, list[Path]]:
    """A folder's image files by stem, sorted. Several under one stem are the caller's to judge."""
    images = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in SUFFIXES:
            images[path.stem].append(path)
    return dict(images)


def _find_pairs(folder: Path, problems: list[str]) -> list[dict[str, Path]]:
    """The files of each pair by kind: visible, infrared and, where the folder exists, saliency."""
    kinds = ["visible", "infrared"] + ["saliency"] * (folder / "saliency").is_dir()
    images = {kind: find_images(folder / kind) for kind in kinds}
    stems = sorted(set().union(*images.values()))
    if not stems:
        problems.append(f"{folder}: no images in visible/ and infrared/")
    pairs = []
    for stem in stems:
        files = {kind: images[kind].get(stem, []) for kind in kinds}
        for kind, paths in files.items():
            if len(paths) != 1:
                problems.append(f"{folder / kind / stem}.*: {len(paths)} files instead of one")
        if all(len(paths) == 1 for paths in files.values()):
            pairs.append({kind: paths[0] for kind, paths in files.items()})
    return pairs


def _read_pair(files: dict[str, Path], crop: int, problems: list[str]) -> Tensor | None:
    frames: dict[str, Frames] = {}
    for kind, path in files.items():
        try:
            frames[kind] = read_grey(path)
        except UserError as error:
            problems.append(str(error))
    if len(frames) < len(files):
        return None
    height, width = frames["visible"].shape
    for kind, frame in frames.items():
        if frame.shape != (height, width):
            size = f"{frame.shape[1]}x{frame.shape[0]}"
            problems.append(f"{files[kind]}: {size}, but the visible frame is {width}x{height}")
            return None
    if min(height, width) < crop:
        problems.append(f"{files['visible']}: {width}x{height}, smaller than the crop of {crop}")
        return None
    salient = frames["saliency"] if "saliency" in frames else mask(frames["visible"])
    return torch.from_numpy(np.stack([frames["visible"], frames["infrared"], salient]))


def _below(limit: int) -> int:
    """A random integer from 0 to limit - 1, of torch's generator, which worker processes seed."""
    return int(torch.randint(limit, ()))
