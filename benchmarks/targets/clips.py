"""Clips of one scene by both cameras: videos, and a drawn street into which something comes."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import SOURCES
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames
from training.scenes import render

SUFFIXES = (".mp4", ".avi", ".mkv")
SEED = 10_000  # of the street; no training draws it
LENGTH = 60  # frames of a drawn clip
PACE = 12  # pixels a frame of what comes in from the left
NOISE = 1.5  # levels, standard deviation: changes as much as those of a real clip
LAMP, GLOW = 14, 60  # pixels: radius, and the length in which its glow decays
WARM = 18, 60  # pixels: half width and half height


class Pair(NamedTuple):
    """Frames of one moment."""

    visible: Frames  # uint8 (H, W, 3) BGR
    infrared: Frames  # uint8 (H, W)


class Clip(Protocol):
    """A clip whose frames of the same number belong together."""

    @property
    def name(self) -> str:
        """In tables."""

    def count(self) -> int:
        """Number of frames."""

    def read(self, numbers: Container[int]) -> Iterator[tuple[int, Pair]]:
        """Those frames, and their numbers.

        Raises:
            UserError: one cannot be read.
        """


@dataclass(frozen=True)
class Videos:
    """Aligned videos of one scene."""

    name: str
    visible: Path
    infrared: Path

    def count(self) -> int:
        """Number of frames that both have."""
        videos = [cv2.VideoCapture(str(path)) for path in (self.visible, self.infrared)]
        return min(int(video.get(cv2.CAP_PROP_FRAME_COUNT)) for video in videos)

    def read(self, numbers: Container[int]) -> Iterator[tuple[int, Pair]]:
        """See `Clip`."""
        videos = [cv2.VideoCapture(str(path)) for path in (self.visible, self.infrared)]
        for number in range(count := self.count()):
            if number not in numbers:
                for video in videos:
                    video.grab()
                continue
            visible, infrared = (video.read()[1] for video in videos)
            if visible is None or infrared is None:
                raise UserError(f"{self.visible}: frame {number} of {count} cannot be read")
            pair = Pair(np.asarray(visible, np.uint8), np.asarray(infrared[..., 0], np.uint8))
            yield number, pair


@dataclass(frozen=True)
class Entering:
    """A street at night, drawn, into which a lamp or somebody warm comes; each frame is noisy."""

    what: Literal["lamp", "warm"]

    @property
    def name(self) -> str:
        """In tables."""
        return f"drawn, {'a lamp' if self.what == 'lamp' else 'somebody'} comes in"

    def count(self) -> int:
        """See `Clip`."""
        return LENGTH

    def read(self, numbers: Container[int]) -> Iterator[tuple[int, Pair]]:
        """See `Clip`."""
        for number in filter(numbers.__contains__, range(LENGTH)):
            yield number, self._draw(number)

    def _draw(self, number: int) -> Pair:
        visible, infrared = (frame.astype(np.float32) for frame in _street())
        height, width = infrared.shape
        rows = np.arange(height, dtype=np.float32)[:, None] - 0.6 * height
        columns = np.arange(width, dtype=np.float32) - PACE * (number - LENGTH // 6)
        if self.what == "lamp":
            distance = np.hypot(rows, columns) - LAMP
            visible += 160 * np.exp(-np.maximum(distance, 0) / GLOW)[..., None]
            visible[distance < 0] = 255
        else:
            across, along = WARM
            inside = (columns / across) ** 2 + (rows / along) ** 2 < 1
            infrared[inside] = 235
            visible[inside] *= 0.7
        noise = np.random.default_rng((SEED, number))
        return Pair(*(_noisy(frame, noise) for frame in (visible, infrared)))


def find_clips(folder: Path) -> list[Videos]:
    """The videos of a folder, by name.

    Raises:
        UserError: there are none, or one has no partner.
    """
    visible, infrared = (
        {path.stem: path for path in (folder / kind).glob("*") if path.suffix in SUFFIXES}
        for kind in SOURCES
    )
    if alone := sorted(visible.keys() ^ infrared.keys()):
        raise UserError(f"{folder}: {alone[0]} is only in one of visible/ and infrared/")
    if not visible:
        raise UserError(f"{folder}: no videos ({', '.join(SUFFIXES)}) in visible/ and infrared/")
    return [Videos(name, visible[name], infrared[name]) for name in sorted(visible)]


def threes(clip: Clip, most: int) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Three frames in a row, at up to `most` places spread over the clip.

    Raises:
        UserError: the clip cannot be read, or is too short.
    """
    count = clip.count()
    if count < 3:
        raise UserError(f"{clip.name}: no three frames can be read")
    starts = set(np.linspace(0, count - 3, min(most, count - 2)).round().astype(int).tolist())
    held: dict[int, Pair] = {}
    for number, pair in clip.read({start + later for start in starts for later in range(3)}):
        held[number] = pair
        if number - 2 in starts:
            yield held[number - 2], held[number - 1], pair
        held.pop(number - 2, None)


@cache
def _street() -> tuple[Frames, Frames]:
    return render(SEED)


def _noisy(frame: NDArray[np.float32], noise: np.random.Generator) -> Frames:
    noisy = frame + NOISE * noise.standard_normal(frame.shape, np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
