"""All that a GPU is wanted for, unattended: builds, fidelity, latency. Says what could not run."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, record
from benchmarks.candidates import FOR_FIDELITY, FOR_LATENCY
from benchmarks.fidelity import measure as fidelity
from benchmarks.latency import measure as latency
from benchmarks.models import Models, Size
from export.build import Graph
from ship_deploy.cuda.gpu import find_gpu
from ship_deploy.engines.flavour import MODULES, load
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from training.checkpoints import digest

PRECISIONS = ("fp32", "fp16")
PAIRS = 4  # of each folder


def run(
    models: Models,
    data: Sequence[Path],
    output: Path,
    sizes: Sequence[Size],
    rounds: int,
    minutes: float,
    say: Callable[[str], object],
) -> str:
    """Build, compare, time; write `gpu.json` and `gpu.md`, details into `gpu/`.

    What fails is noted, and the rest goes on.

    Args:
        models: what to measure.
        data: folders with visible/ and infrared/; made-up frames are compared on as well.
        output: folder.
        sizes: of the frames to time, each with an engine of its own.
        rounds: counted calls of each candidate at each size.
        minutes: after which no other candidate is begun.
        say: called with a line on every step.

    Returns:
        The Markdown tables.
    """
    details = output / "gpu"
    make_folder(details)
    begun = time.perf_counter()
    problems: dict[str, str] = {}

    def step(name: str, work: Callable[[], object]) -> None:
        say(name)
        try:
            work()
        except Exception as error:  # of any library
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            problems[name] = " ".join(f"{kind}{error}".split())[:500]
            say(problems[name])

    for flavour in MODULES:
        step(f"Load {flavour}", partial(load, flavour))
        if f"Load {flavour}" in problems:
            continue
        for size in (None, *sizes):
            for precision in PRECISIONS:
                text = "any size" if size is None else f"{size[0]}x{size[1]}"
                step(
                    f"Build with {flavour}, {precision.upper()}, {text}",
                    partial(models.engine, flavour, precision, size),
                )
    try:
        find_gpu()
    except UserError as error:
        problems |= {"Fidelity": str(error), "Latency": str(error)}
    else:
        on_gpu = [c for c in FOR_FIDELITY if c.device == "cuda"]
        step("Fidelity", lambda: fidelity.run(models, on_gpu, data, details, PAIRS))
        deadline = begun + 60 * minutes
        step(
            "Latency",
            lambda: latency.run(
                models, FOR_LATENCY["cuda"], details, sizes, rounds, sizes[:1], deadline
            ),
        )
    content = {
        "machine": machine.describe(),
        "checkpoint": models.checkpoint.name,
        "checkpoint_digest": digest(models.checkpoint),
        "minutes": (time.perf_counter() - begun) / 60,
        "builds": [b for b in models.builds() if b["graph"] == Graph.FRAMES.value],
        "problems": problems,
        **{name: _read(details / f"{name}.json") for name in ("fidelity", "latency")},
    }
    table = tabulate(content)
    record.write(output, "gpu", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown tables of a `gpu.json`."""
    facts = content["machine"]
    gpu = facts["gpu"]
    where = f"{gpu['name']}, driver {gpu['driver_version']}" if gpu else "no GPU here"
    lines = [
        f"{content['checkpoint']}; {where}; {facts['processor']}, {facts['cores']} cores; "
        f"{facts['measured'][:10]}; {content['minutes']:.1f} minutes in all.",
        "",
        "### Builds",
        "",
        "| engine | type | sizes | compute capabilities | time | engine's size |",
        "|---|---|---|---|---|---|",
    ]
    for b in content["builds"]:
        capabilities = ", ".join(b["compute_capabilities"])
        lines.append(
            f"| {b['engine']} | {b['precision'].upper()} | {b['sizes']} | {capabilities} "
            f"| {b['seconds']:.1f} s | {b['mib']:.1f} MiB |"
        )
    for name, module in (("fidelity", fidelity), ("latency", latency)):
        if content[name]:
            lines += ["", f"### {name.capitalize()}", "", module.tabulate(content[name])]
    if content["problems"]:
        lines += ["", "### What did not run or did not pass", "", "| step | why |", "|---|---|"]
        lines += [f"| {step} | {why} |" for step, why in content["problems"].items()]
    return "\n".join(lines) + "\n"


def _read(path: Path) -> dict[str, Any] | None:
    """What a step wrote, if it came so far."""
    return json.loads(path.read_text()) if path.exists() else None
