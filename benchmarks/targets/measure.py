"""Targets and detail kept by fusion methods, judged in parallel and resumable."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks import machine, record
from benchmarks.baselines import SOURCES
from benchmarks.methods import Method, find_methods
from benchmarks.ranks import mean_rank
from benchmarks.targets import detector as detecting
from benchmarks.targets import page, plot, summary
from benchmarks.targets.boxes import read_boxes
from benchmarks.targets.detector import found as detected
from benchmarks.targets.scores import Job, Result, judge_pair
from benchmarks.targets.subjects import Subject, find_subjects
from benchmarks.workers import work
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically


def run(
    data: list[str],
    methods: Iterable[str],
    output: Path,
    boxes: Path,
    against: str | None,
    quality: Path | None,
    detector: bool,
    limit: int | None,
    workers: int | None,
) -> str:
    """Judge methods on data sets; everything goes to `output`.

    Args:
        data: see `benchmarks.targets.subjects.find_subjects`.
        methods: see `benchmarks.methods.find_methods`.
        output: gets targets.json, .md and .svg, boxes/METHOD.html, the fused pictures, and
            journal.jsonl, from which the next call goes on.
        boxes: where targets and details are in real pairs.
        against: the method from which others' differences are taken; the last one if None.
        quality: a `quality.json` of the same methods, for their mean ranks.
        detector: whether to run one on the pictures of real pairs, too; see
            `benchmarks.targets.detector`.
        limit: pairs of each folder; all if None.
        workers: processes; as many as there are cores if None.

    Returns:
        The Markdown tables.

    Raises:
        UserError: nothing could be judged, or something could not; the rest is written then.
    """
    problems: list[str] = []
    subjects = find_subjects(data, read_boxes(boxes), limit, problems)
    make_folder(output)
    with ERR.status("Loading and exporting models"):
        found = find_methods(methods, output / "models")
    names = [method.name for method in found]
    if detector and (reason := detecting.missing()):
        ERR.print("left out:", reason)
        detector = False
    found += [Method(n, "baseline") for n in SOURCES if detector and n not in names]
    against = against or names[-1]
    if against not in names:
        raise UserError(f"{against!r} is none of the methods {', '.join(names)}")
    ranks = mean_ranks(quality) if quality else {}
    results = judge(subjects, found, output, workers, problems)
    content = summary.record(results, found, against)
    content["mean_rank"] = ranks
    content["machine"] = machine.describe()
    if detector:
        content["detector"] = {
            name: detected.judge(pairs, list(measured["summary"]), output)
            for name, measured in content["data"].items()
            if (
                pairs := [
                    s
                    for s in subjects
                    if s.pair and s.data == name and s.name in measured["images"]
                ]
            )
        }
    table = tabulate(content)
    record.write(output, "targets", content, table)
    write_atomically(output / "targets.svg", plot.draw(content))
    make_folder(output / "boxes")
    for method in names:
        path = output / "boxes" / f"{method}.html"
        write_atomically(path, page.page(method, results, subjects, output / "pictures"))
    if problems:
        more = f" and {len(problems) - 1} more, named above" if len(problems) > 1 else ""
        raise UserError(f"{output}: complete but for {len(problems)}: {problems[0]}{more}")
    return table


def judge(
    subjects: list[Subject],
    methods: list[Method],
    output: Path,
    workers: int | None,
    problems: list[str],
) -> list[Result]:
    """Fuse and judge all subjects by all methods, into `output`, going on where it was.

    Args:
        subjects: the pairs.
        methods: that fuse them.
        output: a folder that is there, for pictures and journal.
        workers: processes; as many as there are cores if None.
        problems: gets what could not be judged, and why.
    """
    for problem in problems:
        ERR.print("left out:", problem)
    journal = output / "journal.jsonl"
    known: dict[tuple[str, str], dict[str, Result]] = {}
    for result in _read_journal(journal):
        known.setdefault((result.data, result.image), {})[result.method] = result
    jobs = [
        Job(subject, methods, known.get((subject.data, subject.name), {}), output / "pictures")
        for subject in subjects
    ]
    results: list[Result] = []
    with journal.open("a", encoding="utf-8") as file:
        for batch in track(work(judge_pair, jobs, workers), "Judging", len(jobs), console=ERR):
            for result in batch:
                before = known.get((result.data, result.image), {}).get(result.method)
                if result.problem:
                    problems.append(result.problem)
                    ERR.print("left out:", result.problem)
                    continue
                results.append(result)
                if before is None or before.key != result.key:
                    file.write("\n" + json.dumps(asdict(result)))  # the last may be cut short
                    file.flush()
    return results


def tabulate(content: dict[str, Any]) -> str:
    """The tables of a `targets.json`."""
    return summary.tabulate(content) + detected.tabulate(content.get("detector", {}))


def mean_ranks(path: Path) -> dict[str, dict[str, float]]:
    """Data set -> method -> mean rank in the field's metrics, among the fusions.

    Args:
        path: a `quality.json`.

    Raises:
        UserError: it is none.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))["data"]
        found = {
            name: {method: mean_rank(f) for method, f in of["summary"].items()}
            for name, of in data.items()
        }
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path}: not a quality.json: {error}") from error
    return {
        name: {method: rank for method, rank in of.items() if rank is not None}
        for name, of in found.items()
    }


def _read_journal(path: Path) -> Iterator[Result]:
    """What earlier calls judged. A line that was cut short by an interrupt is left out."""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            yield Result(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            continue
