"""How time and memory grow with the frame and with the batch, each point a process of its own."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmarks import machine, record
from benchmarks.candidates import Candidate
from benchmarks.drawing import COLOURS, clear, new_figure, style, svg
from benchmarks.latency.trial import attempt
from benchmarks.models import Models, Size
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from training.checkpoints import digest


def run(
    models: Models,
    candidates: Sequence[Candidate],
    output: Path,
    sizes: Sequence[Size],
    batches: Sequence[int],
    batch_size: Size,
    calls: int = 3,
) -> str:
    """Measure, and write `scaling.json`, `scaling.md` and `scaling.svg`.

    Args:
        models: what to measure.
        candidates: those that cannot run are named with the reason.
        output: folder.
        sizes: of single frames.
        batches: frames of a call.
        batch_size: of these frames.
        calls: counted ones of each point, after the first.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    points: list[dict[str, Any]] = []
    for candidate in candidates:
        for size, batch in [*((s, None) for s in sizes), *((batch_size, b) for b in batches)]:
            point = {"candidate": candidate.title, "size": list(size), "batch": batch}
            ERR.print(f"{candidate.title}: {_name(point)}")
            try:
                trial = attempt(candidate, models, size, calls, batch)
            except UserError as error:
                points.append(point | {"not_run": str(error)})
                continue
            seconds = statistics.median(trial.calls)
            memory = trial.host if trial.device is None else trial.device
            points.append(point | {"seconds": seconds, "memory_mib": memory})
    content = {
        "machine": machine.describe(),
        "checkpoint": models.checkpoint.name,
        "checkpoint_digest": digest(models.checkpoint),
        "calls": calls,
        "points": points,
    }
    table = tabulate(content)
    record.write(output, "scaling", content, table)
    write_atomically(output / "scaling.svg", draw(content))
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `scaling.json`."""
    facts = content["machine"]
    lines = [
        f"{machine.where(facts)}, {facts['cores']} cores; "
        f"{facts['measured'][:10]}. Median of {content['calls']} calls; memory of the process at "
        "its highest, or what it took of the GPU's.",
        "",
        "| candidate | call | time | a megapixel | memory |",
        "|---|---|---|---|---|",
    ]
    for point in content["points"]:
        if "seconds" not in point:
            lines.append(
                f"| {point['candidate']} | {_name(point)} | | | not run: {point['not_run']} |"
            )
            continue
        each = point["seconds"] / _megapixels(point)
        lines.append(
            f"| {point['candidate']} | {_name(point)} | {point['seconds']:.3g} s | {each:.3g} s "
            f"| {point['memory_mib']:,.0f} MiB |"
        )
    return "\n".join(lines) + "\n"


def draw(content: dict[str, Any]) -> bytes:
    """The plot of a `scaling.json`, as SVG: time and memory, by pixels and by batch."""
    with style():
        figure = new_figure(4.6)
        panels = figure.subplots(2, 2, sharey="row")
        for column, (batched, what) in enumerate(((False, "frame, megapixels"), (True, "batch"))):
            _lines(panels[0][column], content, batched, "seconds", "seconds a call")
            _lines(panels[1][column], content, batched, "memory_mib", "MiB at the highest")
            panels[1][column].set_xlabel(what)
        names = panels[0][0].get_legend_handles_labels()
        figure.legend(*names, loc="outside lower left", ncols=3, frameon=False)
        return svg(figure)


def _lines(panel: Axes, content: dict[str, Any], batched: bool, quantity: str, title: str) -> None:
    names = dict.fromkeys(point["candidate"] for point in content["points"])
    for name, colour in zip(names, COLOURS, strict=False):
        found = [
            (point["batch"] or _megapixels(point), point[quantity])
            for point in content["points"]
            if point["candidate"] == name
            and (point["batch"] is not None) == batched
            and quantity in point
        ]
        if found:
            panel.plot(*zip(*found, strict=True), "o-", color=colour, markersize=3.5, label=name)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    ticks = sorted({float(x) for line in panel.lines for x in np.asarray(line.get_xdata())})
    panel.set_xticks(ticks, [f"{x:.2g}" for x in ticks])
    panel.minorticks_off()
    panel.set_title(title)
    clear(panel)


def _megapixels(point: dict[str, Any]) -> float:
    height, width = point["size"]
    return float(height * width * (point["batch"] or 1) / 1e6)


def _name(point: dict[str, Any]) -> str:
    height, width = point["size"]
    return f"{height}x{width}" + (f", batch of {point['batch']}" if point["batch"] else "")
