"""Fusion quality: methods x metrics on aligned pairs, computed in parallel and resumable."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from benchmarks import machine
from benchmarks.methods import find_methods, named
from benchmarks.pairs import list_pairs
from benchmarks.quality import gallery, summary
from benchmarks.quality import plot as quality_plot
from benchmarks.quality.scores import Job, Result, score_pair
from benchmarks.workers import work
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from training.metrics import Convention


def run(
    data: Iterable[str],
    methods: Iterable[str],
    output: Path,
    convention: Convention,
    gallery_by: str,
    workers: int | None,
    against: str | None = None,
) -> str:
    """Score methods on data sets; everything goes to `output`.

    Args:
        data: `[NAME=]PATH` each, a folder laid out as for training, see `training.data`.
        methods: see `benchmarks.methods.find_methods`.
        output: gets quality.json, .csv, .md and .svg, gallery.html, the fused pictures, and
            journal.jsonl, from which the next call goes on.
        convention: of the metrics.
        gallery_by: the metric that orders the gallery.
        workers: processes; as many as there are cores if None.
        against: the method that all others are compared with; the last one if None.

    Returns:
        The Markdown table, and what the comparison says.

    Raises:
        UserError: nothing could be scored, or something could not; the rest is written then.
    """
    problems: list[str] = []
    pairs = {name: list_pairs(path, problems) for name, path in _unique(map(named, data))}
    for problem in problems:
        ERR.print("left out:", problem)
    make_folder(output)
    with ERR.status("Loading and exporting models"):
        found = find_methods(methods, output / "models")
    names = [method.name for method in found]
    against = against or names[-1]
    if against not in names:
        raise UserError(f"{against!r} is none of the methods {', '.join(names)}")
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
        for batch in track(work(score_pair, jobs, workers), "Scoring", len(jobs), console=ERR):
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
    record = summary.record(results, pairs, found, convention, against)
    record["machine"] = machine.describe()
    table = summary.markdown(record)
    write_atomically(output / "quality.json", (summary.dump(record) + "\n").encode())
    write_atomically(output / "quality.csv", summary.csv(record).encode())
    write_atomically(output / "quality.md", table.encode())
    write_atomically(output / "quality.svg", quality_plot.draw(record))
    write_atomically(output / "gallery.html", gallery.page(record, pairs, output, gallery_by))
    if problems:
        more = f" and {len(problems) - 1} more, named above" if len(problems) > 1 else ""
        raise UserError(f"{output}: complete but for {len(problems)}: {problems[0]}{more}")
    return table


def _unique(names: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    folders = list(names)
    if len(dict(folders)) < len(folders):
        raise UserError("two data sets have one name; write NAME=PATH")
    return folders


def _read_journal(path: Path) -> Iterator[Result]:
    """What earlier calls scored. A line that was cut short by an interrupt is left out."""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            yield Result(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
