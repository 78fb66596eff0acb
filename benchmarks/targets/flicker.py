"""How much a fused clip changes where nothing changes in its sources: flicker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks import machine, record
from benchmarks.baselines import SOURCES
from benchmarks.methods import Method, find_methods
from benchmarks.workers import work
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames
from ship_deploy.streams import Fuse, Steady
from training.data import grey

BLUR = 2  # pixels, sigma: sensor noise is no flicker
STILL = 1.5  # levels: a pixel is still if both sources change by less
TAIL = 99.9  # percentile
SUFFIXES = (".mp4", ".avi", ".mkv")
Floats = NDArray[np.float32]


class Clip(NamedTuple):
    """Aligned videos of one scene: frames of the same number belong together."""

    name: str
    visible: Path
    infrared: Path


@dataclass(frozen=True)
class Job:
    """A clip to be fused by one method, at some of its steps.

    Attributes:
        clip: the clip.
        method: that fuses.
        steps: how many, from a frame to the next, spread over the clip.
        steady: whether `Steady` smooths what it fuses, which then sees the frames of these steps.
    """

    clip: Clip
    method: Method
    steps: int
    steady: bool = False

    @property
    def name(self) -> str:
        """In the table."""
        return f"{self.method.name}, steady" if self.steady else self.method.name


@dataclass(frozen=True)
class Flicker:
    """Changes of one fused clip where its sources are still.

    Attributes:
        clip: its name.
        method: name of the one that fused it, see `Job`.
        mean: of the changes, in levels.
        tail: their 99.9th percentile, in levels.
        still: share of the pixels that were looked at.
    """

    clip: str
    method: str
    mean: float
    tail: float
    still: float


def run(
    folders: Sequence[Path], methods: Sequence[str], output: Path, steps: int, workers: int | None
) -> str:
    """Measure flicker; flicker.json and .md go to `output`.

    Args:
        folders: with videos of the same names in `visible/` and `infrared/`.
        methods: see `benchmarks.methods.find_methods`; no folders of pictures. Both sources
            are measured anyway, and models with `Steady`, too.
        output: the folder.
        steps: of each clip, from a frame to the next.
        workers: processes; as many as there are cores if None.

    Returns:
        The Markdown table.

    Raises:
        UserError: there are no clips, or one cannot be read or fused.
    """
    clips = [clip for folder in folders for clip in find_clips(folder)]
    make_folder(output)
    found = find_methods(methods, output / "models")
    if folders_of := [m.name for m in found if m.path and m.path.is_dir()]:
        raise UserError(f"{folders_of[0]}: pictures; flicker is of methods that fuse")
    alone = [Method(name, "baseline") for name in SOURCES]
    found = alone + [method for method in found if method not in alone]
    jobs = [
        Job(clip, method, steps, steady)
        for clip in clips
        for method in found
        for steady in (False, True)
        if method.path or not steady
    ]
    sources = {job.name: job.method.source for job in jobs}
    results = list(track(work(measure, jobs, workers), "Fusing", len(jobs), console=ERR))
    by_place = {(result.clip, result.method): result for result in results}
    content: dict[str, Any] = {
        "steps": steps,
        "methods": sources,
        "clips": {
            clip.name: {
                name: {
                    "mean": round(by_place[clip.name, name].mean, 4),
                    "tail": round(by_place[clip.name, name].tail, 4),
                    "still": round(by_place[clip.name, name].still, 4),
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
    """Methods down; for each clip mean, tail, and the mean as a multiple of the sources' own."""
    machine, clips = content["machine"], content["clips"]
    lines = [
        f"Change from a frame to the next, in levels, blurred by {BLUR} pixels, where both sources "
        f"change by less than {STILL}: mean, {TAIL}th percentile, and the mean over that of the "
        f"less steady source. {content['steps']} steps of each clip. {machine['measured'][:10]}, "
        f"ship-deploy {machine['ship-deploy']}.",
        "",
        f"| | {' | '.join(f'{name}: mean | {TAIL}th | times sources' for name in clips)} |",
        "|---|" + "---:|" * (3 * len(clips)),
    ]
    for method in content["methods"]:
        cells = []
        for of_clip in clips.values():
            own = max(of_clip[source]["mean"] for source in SOURCES)
            mean, tail = of_clip[method]["mean"], of_clip[method]["tail"]
            cells += [f"{mean:.2f}", f"{tail:.1f}", f"{mean / own:.2f}" if own else "n/a"]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def find_clips(folder: Path) -> list[Clip]:
    """The clips of a folder, by name.

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
    return [Clip(name, visible[name], infrared[name]) for name in sorted(visible)]


def measure(job: Job) -> Flicker:
    """Fuse a clip at its steps and measure."""
    changes: list[Floats] = []
    pixels = 0
    fuse: Fuse = partial(job.method.fuse, job.clip.name)
    if job.steady:
        fuse = Steady(fuse)
    for before, after in read_steps(job.clip, job.steps):
        fused = [grey(fuse(*frames)) for frames in (before, after)]
        pixels += fused[0].size
        changes.append(
            still_changes(
                fused, [grey(v) for v, _ in (before, after)], [i for _, i in (before, after)]
            )
        )
    every = np.concatenate(changes)
    if not every.size:
        raise UserError(
            f"{job.clip.visible}: no part of the picture is still from one frame to the next"
        )
    mean, tail = float(every.mean(dtype=np.float64)), float(np.percentile(every, TAIL))
    return Flicker(job.clip.name, job.name, mean, tail, every.size / pixels)


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


def read_steps(
    clip: Clip, steps: int
) -> Iterator[tuple[tuple[Frames, Frames], tuple[Frames, Frames]]]:
    """Pairs of frames, (visible, infrared), and those that follow them, spread over the clip.

    Raises:
        UserError: a video cannot be read, or is too short.
    """
    videos = [cv2.VideoCapture(str(path)) for path in (clip.visible, clip.infrared)]
    count = min(int(video.get(cv2.CAP_PROP_FRAME_COUNT)) for video in videos)
    if count < 2:
        raise UserError(f"{clip.visible}: no video of two frames or more")
    starts = set(np.linspace(0, count - 2, min(steps, count - 1)).round().astype(int).tolist())
    before: tuple[Frames, Frames] | None = None
    for number in range(count):
        if not {number - 1, number} & starts:
            for video in videos:
                video.grab()
            continue
        visible, infrared = (video.read()[1] for video in videos)
        if visible is None or infrared is None:
            raise UserError(f"{clip.visible}: frame {number} of {count} cannot be read")
        now = np.asarray(visible, np.uint8), np.asarray(infrared[..., 0], np.uint8)
        if number - 1 in starts:
            assert before is not None
            yield before, now
        before = now


def _blurred(picture: Frames) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), BLUR), np.float32)
