"""What each step of a training run sees: a pure function of the seed, the step and the place in it.

So nothing has to be remembered to go on with a run, and the number of processes that crop, or of
devices that share a batch, does not change what is drawn.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from training.augmentation import augment
from training.config import Augmentation, Data
from training.data import describe, read_folders
from training.data_folder import collapse
from training.targets import MOST

Place = tuple[int, int]  # step of the run, place in its batch


class Crops(Dataset[Tensor]):
    """Random crops of aligned pairs: turned, flipped and photometrically augmented.

    A crop is (6, crop, crop) uint8: the luminance and the infrared frame that the losses compare
    with, the saliency of the luminance as it was, the luminance and the infrared frame that the
    network sees, which have noise, and the known targets, numbered from 1.

    Attributes:
        frames: of every pair, (4, H, W) uint8: luminance, infrared, saliency, targets.
        names: of every pair, with its folder.
        data: of every folder, how many pairs it has, and their digest.
        chances: of drawing each pair; they sum to one.

    Raises:
        UserError: the folders cannot be used.
    """

    def __init__(self, data: Data, augmentation: Augmentation, seed: int) -> None:
        folders = read_folders("data.folders", data.folders, data.crop, data.cache)
        self.frames = [pair.frames for pairs in folders for pair in pairs]
        self.names = [
            f"{folder.path / pair.name}"
            for folder, pairs in zip(data.folders, folders, strict=True)
            for pair in pairs
        ]
        self.data = {
            collapse(folder.path): describe(pairs)
            for folder, pairs in zip(data.folders, folders, strict=True)
        }
        weights = [
            folder.weight / len(pairs)
            for folder, pairs in zip(data.folders, folders, strict=True)
            for _ in pairs
        ]
        self.chances = np.array(weights) / sum(weights)
        self.size = data.crop
        self.augmentation = augmentation
        self.seed = seed

    def __getitem__(self, place: Place) -> Tensor:
        chosen, rng = self._choose(place)
        frames = self.frames[chosen].numpy()
        corner = [int(rng.integers(side - self.size + 1)) for side in frames.shape[1:]]
        crop = self._cut(frames, corner)
        if shift := self.augmentation.shift:  # of the infrared camera; the losses see it, too
            moved = [
                min(max(at + int(rng.integers(-shift, shift + 1)), 0), side - self.size)
                for at, side in zip(corner, frames.shape[1:], strict=True)
            ]
            crop = np.stack([crop[0], self._cut(frames, moved)[1], *crop[2:]])
        if rng.integers(2):
            crop = crop[:, :, ::-1]
        turned = np.rot90(crop, int(rng.integers(4)), axes=(1, 2))
        luminance, infrared, saliency, targets = turned
        shown, seen = augment(luminance, infrared, self.augmentation, rng)
        return torch.from_numpy(np.stack([*shown, saliency, *seen, numbered(targets)]))

    def name(self, place: Place) -> str:
        """The pair that a crop is of."""
        return self.names[self._choose(place)[0]]

    def _choose(self, place: Place) -> tuple[int, np.random.Generator]:
        rng = np.random.default_rng((self.seed, *place))
        return int(rng.choice(len(self.frames), p=self.chances)), rng

    def _cut(self, frames: NDArray[np.uint8], corner: Sequence[int]) -> NDArray[np.uint8]:
        top, left = corner
        return frames[:, top : top + self.size, left : left + self.size]


def numbered(targets: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The targets of a crop, numbered from 1 by how much of them is in it; `MOST` at most."""
    numbers, sizes = np.unique(targets[targets > 0], return_counts=True)
    new = np.zeros(256, np.uint8)
    largest = numbers[np.argsort(-sizes, kind="stable")][:MOST]
    new[largest] = np.arange(1, len(largest) + 1)
    return new[targets]


class Steps(Sampler[list[Place]]):
    """The batches of a run from one step on, without end; of each batch, one process's share.

    Args:
        first: the step to begin with, counted from 0.
        batch: crops of one step, a multiple of `processes`.
        process: which of the `processes` that share every batch.
        processes: how many there are.
    """

    def __init__(self, first: int, batch: int, process: int = 0, processes: int = 1) -> None:
        self.first = first
        self.places = range(process, batch, processes)

    def __iter__(self) -> Iterator[list[Place]]:
        for step in itertools.count(self.first):
            yield [(step, place) for place in self.places]


class Batches(LightningDataModule):
    """The batches of a run, from the step that its trainer has come to."""

    def __init__(self, crops: Crops, data: Data) -> None:
        super().__init__()
        self.crops = crops
        self.data = data

    def pictures(self, step: int) -> list[str]:
        """The pairs of a step's whole batch, each once, sorted."""
        return sorted({self.crops.name((step, place)) for place in range(self.data.batch)})

    @override
    def train_dataloader(self) -> DataLoader[Tensor]:
        trainer = self.trainer
        assert trainer is not None
        share = trainer.global_rank, trainer.world_size
        return DataLoader(
            self.crops,
            batch_sampler=Steps(trainer.global_step, self.data.batch, *share),
            num_workers=self.data.workers,
            # Forked, workers share the frames, and notice when the run is killed.
            multiprocessing_context="fork" if self.data.workers else None,
            pin_memory=trainer.strategy.root_device.type == "cuda",
            generator=torch.Generator(),  # leaves the global one alone
        )
