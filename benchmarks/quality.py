"""Fusion quality: methods x metrics on aligned pairs, computed in parallel and resumable."""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from benchmarks import gallery, machine, plot, summary
from benchmarks.methods import Method, find_methods, named
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import stretch
from ship_deploy.images import PairOfFiles, read_infrared, read_visible, write_png
from training.data import find_images, grey
from training.metrics import METRICS, Convention

PERCENTILES = 0.5, 99.5  # the runtime's own, for infrared frames of more than 8 bits
ROOT = Path(__file__).parents[1]
Scores = dict[str, float]


@dataclass(frozen=True)
class Job:
    """A pair to score: its data set, its files, the methods, and the keys that are known already.

    Attributes:
        known: keys (see `_key`) of the scores in the journal.
        pictures: where to write what the methods fuse, DIR/METHOD/NAME.png.
    """

    data: str
    pair: PairOfFiles
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


def run(
    data: Iterable[str],
    methods: Iterable[str],
    output: Path,
    convention: Convention,
    gallery_by: str,
    workers: int | None,
) -> str:
    """Score methods on data sets; everything goes to `output`.

    Args:
        data: `[NAME=]PATH` each, a folder with `visible/` and `infrared/`.
        methods: see `benchmarks.methods.find_methods`.
        output: gets quality.json, .csv, .md and .svg, gallery.html, the fused pictures, and
            journal.jsonl, from which the next call goes on.
        convention: of the metrics.
        gallery_by: the metric that orders the gallery.
        workers: processes; as many as there are cores if None.

    Returns:
        The Markdown table.

    Raises:
        UserError: nothing could be scored, or something could not; the rest is written then.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    problems: list[str] = []
    pairs = {name: _find_pairs(path, problems) for name, path in _unique(map(named, data))}
    make_folder(output)
    with console.status("Loading and exporting models"):
        found = find_methods(methods, output / "models")
    journal = output / "journal.jsonl"
    known = {result.key: result for result in _read_journal(journal)}
    jobs = [
        Job(name, pair, found, convention, frozenset(known), output / "pictures" / name)
        for name, of_name in pairs.items()
        for pair in of_name
    ]
    results: list[Result] = []
    with journal.open("a", encoding="utf-8") as file:
        for batch in track(_work(jobs, workers), "Scoring", len(jobs), console=console):
            for result in batch:
                if result.problem:
                    problems.append(result.problem)
                    console.print(f"[red]left out[/] {result.problem}")
                elif result.key in known:
                    result.scores = known[result.key].scores
                else:
                    file.write("\n" + json.dumps(asdict(result)))  # the last line may be cut short
                    file.flush()
            results += [result for result in batch if not result.problem]
    record = summary.record(results, pairs, found, convention)
    record["machine"] = machine.describe()
    table = summary.markdown(record)
    write_atomically(output / "quality.json", (summary.dump(record) + "\n").encode())
    write_atomically(output / "quality.csv", summary.csv(record).encode())
    write_atomically(output / "quality.md", table.encode())
    write_atomically(output / "quality.svg", plot.draw(record))
    write_atomically(output / "gallery.html", gallery.page(record, pairs, output, gallery_by))
    if problems:
        raise UserError(f"{len(problems)} left out, the rest is in {output}: {'; '.join(problems)}")
    return table


def score_pair(job: Job) -> list[Result]:
    """Score one pair by all methods; what is in the journal already is not scored again."""
    name = job.pair.name
    try:
        visible = read_visible(job.pair.visible)
        infrared = stretch(read_infrared(job.pair.infrared), PERCENTILES)
        if visible.shape[:2] != infrared.shape:
            sizes = [f"{i.shape[1]}x{i.shape[0]}" for i in (visible, infrared)]
            raise UserError(f"{job.pair.infrared}: {sizes[1]}, but the visible frame is {sizes[0]}")
    except UserError as error:
        return [Result(job.data, name, "", problem=str(error))]
    results = []
    for method in job.methods:
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
        images = [torch.from_numpy(i) for i in (grey(picture), grey(visible), infrared)]
        result.scores = {
            metric: score(*images, convention=job.convention).item()
            for metric, score in METRICS.items()
        }
    return results


def _work(jobs: list[Job], workers: int | None) -> Iterator[list[Result]]:
    """Results of the jobs as they come, from processes of one thread each."""
    pool = ProcessPoolExecutor(
        workers or len(os.sched_getaffinity(0)),
        multiprocessing.get_context("spawn"),
        initializer=_single_thread,
    )
    try:
        for future in as_completed([pool.submit(score_pair, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker was killed, perhaps for memory; run again with fewer --workers to go on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _single_thread() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _unique(names: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    folders = list(names)
    if len(dict(folders)) < len(folders):
        raise UserError("two data sets have one name; write NAME=PATH")
    return folders


def _find_pairs(folder: Path, problems: list[str]) -> list[PairOfFiles]:
    """The pairs of a data set; whatever has no partner is a problem."""
    visible, infrared = (find_images(folder / kind) for kind in ("visible", "infrared"))
    names = sorted(visible.keys() | infrared.keys())
    pairs = []
    for name in names:
        files = visible.get(name, []), infrared.get(name, [])
        if len(files[0]) == len(files[1]) == 1:
            pairs.append(PairOfFiles(name, files[0][0], files[1][0]))
        for kind, paths in zip(("visible", "infrared"), files, strict=True):
            if len(paths) != 1:
                problems.append(f"{folder / kind / name}.*: {len(paths)} files instead of one")
    if not pairs:
        raise UserError(f"{folder}: no pairs of images in visible/ and infrared/")
    return pairs


def _key(identity: str, name: str, *content: object) -> str:
    """What scores depend on: method, image, convention, and the code that computes them."""
    state = hashlib.sha256(f"{identity} {name} {_code()}".encode())
    for part in content:
        state.update(part.tobytes() if isinstance(part, np.ndarray) else str(part).encode())
    return state.hexdigest()[:32]


def _code() -> str:
    files = [ROOT / "benchmarks" / "baselines.py", *(ROOT / "training" / "metrics").glob("*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()


def _read_journal(path: Path) -> Iterator[Result]:
    """What earlier calls scored. A line that was cut short by an interrupt is left out."""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            yield Result(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
