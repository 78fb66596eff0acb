"""One pair scored by all methods: the work of one process."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch

import training.metrics
from benchmarks import baselines, least_squares
from benchmarks.methods import Method
from benchmarks.pairs import read_pair
from benchmarks.workers import stopped
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.images import FilePair, write_png
from training.data import grey
from training.metrics import METRICS, Convention

Scores = dict[str, float]


@dataclass(frozen=True)
class Job:
    """A pair to score: its data set, its files, the methods, and the keys that are known already.

    Attributes:
        known: keys (see `_key`) of the last scores in the journal.
        pictures: where to write what the methods fuse, DIR/METHOD/NAME.png.
    """

    data: str
    pair: FilePair
    methods: list[Method]
    convention: Convention
    known: frozenset[str]
    pictures: Path


@dataclass
class Result:
    """Scores of one image by one method, or what kept it from having any."""

    data: str
    image: str
    method: str
    key: str = ""
    scores: Scores = field(default_factory=dict)
    problem: str = ""


def score_pair(job: Job) -> list[Result]:
    """Score one pair by all methods; what is in the journal already is not scored again."""
    name = job.pair.name
    try:
        visible, infrared = read_pair(job.pair)
    except UserError as error:
        return [Result(job.data, name, "", problem=str(error))]
    results = []
    for method in job.methods:
        if stopped():
            break
        result = Result(job.data, name, method.name)
        results.append(result)
        path = job.pictures / method.name / f"{name}.png"
        try:
            result.key = _key(method.identity(name), name, visible, infrared, job.convention)
            if result.key in job.known and path.exists():
                continue
            picture = method.fuse(name, visible, infrared)
            make_folder(path.parent)
            write_png(path, picture)
        except UserError as error:
            result.problem = str(error)
            continue
        fused, own, other = map(torch.from_numpy, (grey(picture), grey(visible), infrared))
        result.scores = {
            metric: score(fused, own, other, job.convention).item()
            for metric, score in METRICS.items()
        }
    return results


def _key(identity: str, name: str, *content: object) -> str:
    """What scores depend on: method, image, convention, and the code that computes them."""
    state = hashlib.sha256(f"{identity} {name} {_code()}".encode())
    for part in content:
        state.update(part.tobytes() if isinstance(part, np.ndarray) else str(part).encode())
    return state.hexdigest()[:32]


@cache
def _code() -> str:
    metrics = Path(training.metrics.__file__).parent
    modules = baselines, least_squares
    files = [*(Path(str(m.__file__)) for m in modules), *metrics.glob("*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()
