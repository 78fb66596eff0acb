"""How much a fused clip changes where nothing changes in its sources, and how it moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks import machine, record
from benchmarks.baselines import SOURCES
from benchmarks.methods import Method, find_methods
from benchmarks.targets.clips import Clip, Entering, find_clips, threes
from benchmarks.targets.motion import Motion, unlike
from benchmarks.workers import work
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames
from ship_deploy.streams import Steady
from training.data import grey

BLUR = 2  # pixels, sigma: sensor noise is no flicker
STILL = 1.5  # levels: a pixel is still if both sources change by less
TAIL = 99.9  # percentile
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Job:
    """A clip to be fused by one method, at some places.

    Attributes:
        clip: the clip.
        method: that fuses.
        places: how many, of three frames in a row, spread over the clip.
    """

    clip: Clip
    method: Method
    places: int

    @property
    def names(self) -> list[str]:
        """In the table: a model's picture, and the same smoothed by `Steady`."""
        name = self.method.name
        return [name, f"{name}, steady"] if self.method.path else [name]


@dataclass(frozen=True)
class Flicker:
    """Changes of one fused clip where its sources are still, and its motion.

    Attributes:
        clip: its name.
        method: name of the one that fused it, see `Job.names`.
        mean: of the changes, in levels.
        tail: their 99.9th percentile, in levels.
        still: share of the pixels that were looked at.
        warping: BiSWE, in levels, see `Motion.warping_error`.
        motion: MS2R, in pixels, see `unlike`.
    """

    clip: str
    method: str
    mean: float
    tail: float
    still: float
    warping: float
    motion: float


def run(
    folders: Sequence[Path], methods: Sequence[str], output: Path, places: int, workers: int | None
) -> str:
    """Measure flicker and motion; flicker.json and .md go to `output`.

    Args:
        folders: with videos of the same names in `visible/` and `infrared/`; drawn clips are
            measured beside them.
        methods: see `benchmarks.methods.find_methods`; no folders of pictures. Both sources
            are measured anyway, and models with `Steady`, too.
        output: the folder.
        places: of each clip, of three frames in a row.
        workers: processes; as many as there are cores if None.

    Returns:
        The Markdown table.

    Raises:
        UserError: there are no clips, or one cannot be read or fused.
    """
    clips: list[Clip] = [clip for folder in folders for clip in find_clips(folder)]
    clips += [Entering("lamp"), Entering("warm")]
    make_folder(output)
    found = find_methods(methods, output / "models")
    if folders_of := [m.name for m in found if m.path and m.path.is_dir()]:
        raise UserError(f"{folders_of[0]}: pictures; flicker is of methods that fuse")
    alone = [Method(name, "baseline") for name in SOURCES]
    found = alone + [method for method in found if method not in alone]
    jobs = [Job(clip, method, places) for clip in clips for method in found]
    sources = {name: job.method.source for job in jobs for name in job.names}
    done = track(work(measure, jobs, workers), "Fusing", len(jobs), console=ERR)
    by_place = {(result.clip, result.method): result for results in done for result in results}
    content: dict[str, Any] = {
        "places": places,
        "methods": sources,
        "clips": {
            clip.name: {
                name: {
                    figure: round(getattr(by_place[clip.name, name], figure), 4)
                    for figure in ("mean", "tail", "still", "warping", "motion")
                }
                for name in sources
            }
            for clip in clips
        },
        "machine": machine.describe(),
    }
    table = tabulate(content)
    record.write(output, "flicker", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """A table for each clip, methods down."""
    machine = content["machine"]
    lines = [
        f"Change from a frame to the next, in levels, blurred by {BLUR} pixels, where both sources "
        f"change by less than {STILL}: mean, {TAIL}th percentile, and the mean over that of the "
        "less steady source. BiSWE, in levels, and MS2R, in pixels, after VF-Bench, by OpenCV's "
        f"DIS flow. Three frames in a row at up to {content['places']} places of each clip. "
        f"{machine['measured'][:10]}, ship-deploy {machine['ship-deploy']}.",
    ]
    for name, clip in content["clips"].items():
        own = max(clip[source]["mean"] for source in SOURCES)
        lines += [
            f"\n### {name}\n",
            f"| | mean ↓ | {TAIL}th ↓ | times sources ↓ | BiSWE ↓ | MS2R ↓ |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for method in content["methods"]:
            row = clip[method]
            times = f"{row['mean'] / own:.2f}" if own else "n/a"
            lines.append(
                f"| {method} | {row['mean']:.2f} | {row['tail']:.1f} | {times} "
                f"| {row['warping']:.2f} | {row['motion']:.2f} |"
            )
    return "\n".join(lines) + "\n"


def measure(job: Job) -> list[Flicker]:
    """Fuse a clip at its places and measure, for each of the job's names."""
    gathered = [_Gathered() for _ in job.names]
    fused: Frames = np.empty(0, np.uint8)

    def newest(visible: Frames, infrared: Frames) -> Frames:
        return fused

    shown = (newest, Steady(newest))[: len(job.names)]
    for pairs in threes(job.clip, job.places):
        pictures = []
        for pair in pairs:
            fused = job.method.fuse(job.clip.name, *pair)
            pictures.append([grey(show(*pair)) for show in shown])
        visible = [grey(pair.visible) for pair in pairs]
        infrared = [pair.infrared for pair in pairs]
        sources = [Motion(visible), Motion(infrared)]
        for into, own in zip(gathered, zip(*pictures, strict=True), strict=True):
            into.add(own, visible, infrared, sources)
    found = zip(job.names, gathered, strict=True)
    return [into.result(job.clip.name, name) for name, into in found]


class _Gathered:
    """What was measured at the places so far."""

    def __init__(self) -> None:
        self.changes: list[Floats] = []
        self.pixels = 0
        self.warping: list[float] = []
        self.motion: list[float] = []

    def add(
        self,
        fused: Sequence[Frames],
        visible: Sequence[Frames],
        infrared: Sequence[Frames],
        sources: Sequence[Motion],
    ) -> None:
        """Three pictures in a row, uint8 (H, W), and their sources."""
        for step in (slice(0, 2), slice(1, 3)):
            self.pixels += fused[0].size
            self.changes.append(still_changes(fused[step], visible[step], infrared[step]))
        own = Motion(fused)
        self.warping.append(own.warping_error())
        self.motion.append(unlike(own, sources))

    def result(self, clip: str, name: str) -> Flicker:
        every = np.concatenate(self.changes)
        if not every.size:
            raise UserError(f"{clip}: no part of the picture is still from one frame to the next")
        return Flicker(
            clip,
            name,
            float(every.mean(dtype=np.float64)),
            float(np.percentile(every, TAIL)),
            every.size / self.pixels,
            float(np.nanmean(self.warping)),
            float(np.mean(self.motion)),
        )


def still_changes(
    fused: Sequence[Frames], visible: Sequence[Frames], infrared: Sequence[Frames]
) -> Floats:
    """Changes of a fused picture, in levels, at the pixels where both sources are still, (K,).

    Args:
        fused: two pictures, uint8 (H, W), one after the other.
        visible: the luminance of both.
        infrared: the same.
    """
    own, *sources = (
        np.abs(np.subtract(*map(_blurred, pair))) for pair in (fused, visible, infrared)
    )
    return own[np.maximum(*sources) < STILL]


def _blurred(picture: Frames) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), BLUR), np.float32)
