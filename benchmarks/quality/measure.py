"""Fusion quality: methods x metrics on aligned pairs, computed in parallel and resumable."""

import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from benchmarks import machine
from benchmarks.quality import gallery, summary
from benchmarks.quality import plot as quality_plot
from benchmarks.quality.methods import find_methods, named
from benchmarks.quality.scores import Job, Result, score_pair, start_worker
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.images import FilePair
from training.data import find_images
from training.metrics import Convention


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
        methods: see `benchmarks.quality.methods.find_methods`.
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
    problems: list[str] = []
    pairs = {name: _find_pairs(path, problems) for name, path in _unique(map(named, data))}
    for problem in problems:
        ERR.print("left out:", problem)
    make_folder(output)
    with ERR.status("Loading and exporting models"):
        found = find_methods(methods, output / "models")
    journal = output / "journal.jsonl"
    last = {(r.data, r.image, r.method): r for r in _read_journal(journal)}
    known = {result.key: result for result in last.values()}
    jobs = [
        Job(name, pair, found, convention, frozenset(known), output / "pictures" / name)
        for name, of_name in pairs.items()
        for pair in of_name
    ]
    results: list[Result] = []
    with journal.open("a", encoding="utf-8") as file:
        for batch in track(_work(jobs, workers), "Scoring", len(jobs), console=ERR):
            for result in batch:
                if result.problem:
                    problems.append(result.problem)
                    ERR.print("left out:", result.problem)
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
    write_atomically(output / "quality.svg", quality_plot.draw(record))
    write_atomically(output / "gallery.html", gallery.page(record, pairs, output, gallery_by))
    if problems:
        more = f" and {len(problems) - 1} more, named above" if len(problems) > 1 else ""
        raise UserError(f"{output}: all but {len(problems)}, {problems[0]}{more}")
    return table


def _work(jobs: list[Job], workers: int | None) -> Iterator[list[Result]]:
    """Results of the jobs as they come, from processes of one thread each."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    count = workers or len(os.sched_getaffinity(0))
    pool = ProcessPoolExecutor(count, context, initializer=start_worker, initargs=(stop,))
    try:
        for future in as_completed([pool.submit(score_pair, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker was killed, perhaps for memory; run again with fewer --workers to go on"
        ) from error
    finally:
        stop.set()  # after an interrupt, workers end with the picture at hand
        pool.shutdown(cancel_futures=True)


def _unique(names: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    folders = list(names)
    if len(dict(folders)) < len(folders):
        raise UserError("two data sets have one name; write NAME=PATH")
    return folders


def _find_pairs(folder: Path, problems: list[str]) -> list[FilePair]:
    """The pairs of a data set; whatever has no partner is a problem."""
    visible, infrared = (find_images(folder / kind) for kind in ("visible", "infrared"))
    names = sorted(visible.keys() | infrared.keys())
    pairs = []
    for name in names:
        files = visible.get(name, []), infrared.get(name, [])
        if len(files[0]) == len(files[1]) == 1:
            pairs.append(FilePair(name, files[0][0], files[1][0]))
        for kind, paths in zip(("visible", "infrared"), files, strict=True):
            if len(paths) != 1:
                problems.append(f"{folder / kind / name}.*: {len(paths)} files instead of one")
    if not pairs:
        raise UserError(f"{folder}: no pairs of images in visible/ and infrared/")
    return pairs


def _read_journal(path: Path) -> Iterator[Result]:
    """What earlier calls scored. A line that was cut short by an interrupt is left out."""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            yield Result(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
