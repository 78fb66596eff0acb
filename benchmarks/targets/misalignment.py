"""What is left of targets and detail where the infrared frame is out of place."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import machine, record
from benchmarks.methods import find_methods
from benchmarks.targets import measure, summary
from benchmarks.targets.boxes import read_boxes
from benchmarks.targets.subjects import ALIGNED, Offset, find_subjects
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder

OFFSETS = [ALIGNED, *(Offset(pixels) for pixels in (1, 2, 3, 4)), Offset(scale=1.02)]


def run(
    data: list[str],
    methods: list[str],
    output: Path,
    boxes: Path,
    limit: int | None,
    workers: int | None,
) -> str:
    """Judge methods on pairs that are ever less aligned; everything goes to `output`.

    The measures are those of `benchmarks.targets`, against the sources as they are fused: a target
    that the infrared frame shows better is looked for where that frame has it.

    Args:
        data: see `benchmarks.targets.subjects.find_subjects`.
        methods: see `benchmarks.methods.find_methods`; no folders of pictures.
        output: gets misalignment.json and .md, the fused pictures, and journal.jsonl, from which
            the next call goes on.
        boxes: where targets and details are in real pairs.
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
    found = find_methods(methods, output / "models")
    if folders := [method.name for method in found if method.path and method.path.is_dir()]:
        raise UserError(f"{folders[0]}: pictures of aligned pairs; this takes methods that fuse")
    moved = [
        replace(subject, data=f"{subject.data}, {offset}", offset=offset)
        for offset in OFFSETS
        for subject in subjects
    ]
    results = measure.judge(moved, found, output, workers, problems)
    content = summary.record(results, found, None)
    content["sets"] = list(dict.fromkeys(subject.data for subject in subjects))
    content["machine"] = machine.describe()
    table = tabulate(content)
    record.write(output, "misalignment", content, table)
    if problems:
        raise UserError(f"{output}: complete but for {len(problems)}: {problems[0]}")
    return table


def tabulate(content: dict[str, Any]) -> str:
    """A table for each data set and measure: methods down, offsets across."""
    lines = [
        "The infrared frame shifted to the right or enlarged from its centre; measures as in "
        f"`targets`, against the frames as they were fused. {content['machine']['measured'][:10]}, "
        f"ship-deploy {content['machine']['ship-deploy']}."
    ]
    for name in content["sets"]:
        for measure_name, about in content["measures"].items():
            arrow = "↑" if about["higher_is_better"] else "↓"
            lines += ["", f"### {name}: {about['title']} {arrow}", ""]
            lines.append(f"| | {' | '.join(map(str, OFFSETS))} |")
            lines.append("|---|" + "---:|" * len(OFFSETS))
            for method in content["methods"]:
                cells = []
                for offset in OFFSETS:
                    figure = content["data"][f"{name}, {offset}"]["summary"][method][measure_name]
                    known = figure["value"] is not None
                    cells.append(summary.show(measure_name, figure["value"]) if known else "n/a")
                lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
