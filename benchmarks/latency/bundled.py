"""The bundled models beside SHIP in PyTorch and beside trivial fusions, all in one run."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks import machine, record
from benchmarks.baselines import BASELINES as TRIVIAL
from benchmarks.baselines import IN_COLOUR
from benchmarks.candidates import BASELINES
from benchmarks.latency import tradeoff
from benchmarks.latency.measure import measure
from benchmarks.loading import Fuse, load
from benchmarks.models import Models, Size
from ship_deploy import Fuser
from ship_deploy.console import ERR
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import Frames
from ship_deploy.models import CATALOGUE
from training.checkpoints import digest
from training.data import grey
from training.scenes import render

EAGER = "ship, PyTorch"  # what all others are compared with


def run(
    checkpoint: Path,
    output: Path,
    sizes: Sequence[Size],
    threads: Sequence[int],
    rounds: int,
    kept: Path,
) -> str:
    """Time everything on the CPU, and write `bundled.json`, `bundled.md` and `bundled.svg`.

    Args:
        checkpoint: of SHIP, for PyTorch.
        output: the folder.
        sizes: of frames.
        threads: numbers of CPU threads.
        rounds: timed calls of each.
        kept: a `targets.json`, for the plot; it is left out if there is none.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    results: list[dict[str, Any]] = []
    for count in threads:
        with limited(count):
            for size in sizes:
                text = f"{size[0]}x{size[1]}"
                ERR.print(f"{text}, {count} threads: timing, {rounds} rounds")
                found = measure(_ready(checkpoint, size, count), render(0, *size), rounds, EAGER)
                for name, latency in found.items():
                    results.append(
                        {"size": text, "threads": count, "name": name, **asdict(latency)}
                    )
    content = {
        "machine": machine.describe(),
        "checkpoint_digest": digest(checkpoint),
        "models": {name: digest(model.path) for name, model in CATALOGUE.items()},
        "results": results,
    }
    table = tabulate(content)
    record.write(output, "bundled", content, table)
    if kept.exists():
        drawn = tradeoff.draw(content, json.loads(kept.read_text("utf-8")))
        write_atomically(output / "bundled.svg", drawn)
    return table


def _ready(checkpoint: Path, size: Size, threads: int) -> dict[str, Fuse]:
    ready = {EAGER: load(BASELINES["cpu"], Models(checkpoint, checkpoint.parent), size).fuse}
    for name, model in CATALOGUE.items():
        ready[name] = Fuser(model.path, device="cpu", threads=threads)
    for name, fuse in TRIVIAL.items():
        if name in IN_COLOUR:
            ready[name] = fuse
        elif name not in ("visible", "infrared"):  # nothing is done there
            ready[name] = partial(_in_grey, fuse)
    return ready


def _in_grey(fuse: Fuse, visible: Frames, infrared: Frames) -> Frames:
    return fuse(grey(visible), infrared)


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """PyTorch and OpenCV on so many threads."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `bundled.json`."""
    host = content["machine"]
    lines = [
        f"{host['processor']}; torch {host['torch']}, onnxruntime {host['onnxruntime']}; "
        f"{host['measured'][:10]}. One frame, 8 bits, in colour but for the trivial ones; all took "
        "turns, and the ratio is taken round by round.",
        "",
        "| size | threads | | p50 | p90 | frames/s | against SHIP in PyTorch |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for r in content["results"]:
        p50, p90 = r["percentiles"][:2]
        low, high = r["speedup_range"]
        ratio = (
            "1"
            if r["name"] == EAGER
            else f"{_short(r['speedup'])}x ({_short(low)} to {_short(high)})"
        )
        cells = [
            r["size"],
            str(r["threads"]),
            r["name"],
            record.duration(p50),
            record.duration(p90),
            _short(1 / p50),
        ]
        lines.append(f"| {' | '.join([*cells, ratio])} |")
    return "\n".join(lines) + "\n"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
