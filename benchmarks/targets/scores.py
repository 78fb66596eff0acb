"""One pair fused and judged by all methods: the work of one process."""

import hashlib
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchmarks import baselines, least_squares
from benchmarks.methods import Method
from benchmarks.targets import measures, subjects
from benchmarks.targets.measures import COARSE, FINE, colour_kept, detail_kept, invented
from benchmarks.targets.subjects import Seen, Subject
from benchmarks.workers import stopped
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames
from ship_deploy.images import read_visible, write_png
from training import colour
from training.data import grey

Values = list[float | None]


@dataclass(frozen=True)
class Job:
    """A pair to judge.

    Attributes:
        methods: that fuse it.
        known: the last result of each method, if there is one.
        pictures: where to write what they fuse, DATA/METHOD/NAME.png.
    """

    subject: Subject
    methods: list[Method]
    known: dict[str, "Result"]
    pictures: Path


@dataclass
class Result:
    """What a method made of one pair, or what kept it from making anything.

    Attributes:
        data: the data set.
        image: the pair's name.
        method: its name.
        picture: what the picture depends on, as a digest.
        key: what the scores depend on, as a digest.
        targets: share of the contrast kept, of each target.
        details: share of the detail kept, of each region.
        fine: share of gradients invented at the fine scale.
        coarse: the same at the coarse scale.
        colour: share of the colour kept; None where the visible frame has none.
        levels: contrast of each target in the better source.
        names: of the targets, then of the details.
        problem: why there are no scores, in one line.
    """

    data: str
    image: str
    method: str
    picture: str = ""
    key: str = ""
    targets: Values = field(default_factory=list)
    details: Values = field(default_factory=list)
    fine: float | None = None
    coarse: float | None = None
    colour: float | None = None
    levels: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problem: str = ""


def judge_pair(job: Job) -> list[Result]:
    """Fuse and judge one pair by all methods; what is known and unchanged is not done again."""
    subject = job.subject
    try:
        seen = subject.read()
    except UserError as error:
        return [Result(subject.data, subject.name, "", problem=str(error))]
    content = _digest(seen.visible, seen.infrared)
    results = []
    for method in job.methods:
        if stopped():
            break
        known = job.known.get(method.name)
        path = job.pictures / subject.data / method.name / f"{subject.name}.png"
        result = Result(subject.data, subject.name, method.name)
        try:
            image = subject.pair.name if subject.pair else subject.name
            result.picture = _digest(method.identity(image), content, _code("baselines"))
            if known and known.picture == result.picture and path.exists():
                picture = read_visible(path)
            else:
                picture = shown(method, image, seen)
                make_folder(path.parent)
                write_png(path, picture)
        except UserError as error:
            result.problem = str(error)
            results.append(result)
            continue
        marks = [(t.box, t.mask, t.ring) for t in seen.targets], seen.details, seen.names
        result.key = _digest(result.picture, _code("measures"), marks)
        if known and known.key == result.key:
            result = known
        else:
            judge(result, picture, seen)
        results.append(result)
    return results


def judge(result: Result, picture: Frames, seen: Seen) -> None:
    """Fill in the scores of a fused picture."""
    fused, visible = grey(picture), grey(seen.visible)
    result.targets = [_figure(target.kept(fused)) for target in seen.targets]
    result.details = [
        _figure(detail_kept(fused, visible, seen.infrared, box)) for box in seen.details
    ]
    result.fine, result.coarse = (
        _figure(invented(fused, visible, seen.infrared, sigma)) for sigma in (FINE, COARSE)
    )
    result.colour = _figure(colour_kept(picture, seen.visible))
    result.levels = [round(target.levels, 2) for target in seen.targets]
    result.names = seen.names


def shown(method: Method, image: str, seen: Seen) -> Frames:
    """The picture as it is shown: a grey one gets the visible frame's colour, as networks do it.

    The infrared frame alone stays grey.

    Raises:
        UserError: the method has no picture.
    """
    fused = method.fuse(image, seen.visible, seen.infrared)
    if (
        fused.ndim == 3
        or seen.visible.ndim == 2
        or (method.path, method.name) == (None, "infrared")
    ):
        return fused
    bgr = torch.from_numpy(seen.visible).permute(2, 0, 1)[None].float() / 255
    joined = colour.join(torch.from_numpy(fused)[None, None].float() / 255, colour.split(bgr)[1])
    return (joined[0] * 255).round().permute(1, 2, 0).to(torch.uint8).numpy()


def _figure(value: float) -> float | None:
    """Five digits; None for NaN."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _digest(*parts: object) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(_bytes(part) + b"\0")
    return state.hexdigest()[:32]


def _bytes(part: object) -> bytes:
    if isinstance(part, np.ndarray):
        return str(part.shape).encode() + part.tobytes()
    if isinstance(part, list | tuple):
        return b"(" + b",".join(map(_bytes, part)) + b")"
    return str(part).encode()


@cache
def _code(what: str) -> str:
    """A digest of the code that pictures or scores come from."""
    modules = {"baselines": [baselines, least_squares], "measures": [measures, subjects]}[what]
    return _digest(*(Path(str(module.__file__)).read_text("utf-8") for module in modules))
