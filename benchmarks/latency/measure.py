"""How long one frame takes, from host memory to host memory, each candidate beside the others."""

import gc
import json
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from benchmarks import machine, record
from benchmarks.candidates import BASELINES, TITLES, Candidate
from benchmarks.latency import floor
from benchmarks.latency.trial import attempt
from benchmarks.loading import Fuse, load
from benchmarks.models import Models, Size
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames
from ship_deploy.names import name_some
from training.checkpoints import digest
from training.scenes import render

WARM_UP = 2  # rounds that are not counted
FEWEST = 5  # rounds that are counted in any case
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Latency:
    """Wall-clock time of one frame, in seconds.

    Attributes:
        rounds: counted calls.
        percentiles: p50, p90, p99 and the slowest, of a call: host memory to host memory.
        on_device: p50 of the same with the frames, and the result, in the device's memory; None on
            a CPU. What is left of the call is copies.
        speedup: the baseline's time over this one's in the same round; the median.
        speedup_range: the smallest and the largest of them.
    """

    rounds: int
    percentiles: tuple[float, ...]
    on_device: float | None
    speedup: float
    speedup_range: tuple[float, float]


def measure(
    candidates: Mapping[str, Fuse],
    frames: tuple[Frames, Frames],
    rounds: int,
    baseline: str,
    on_device: Mapping[str, Callable[[], object]] = {},
    deadline: float = math.inf,
) -> dict[str, Latency]:
    """Time candidates in turn, round after round, so that a drifting machine drifts for all.

    Args:
        candidates: name -> function from (H, W, 3) and (H, W) to (H, W, 3), uint8.
        frames: (H, W, 3) and (H, W).
        rounds: how often each runs, after the warm-up.
        baseline: the candidate that the others are compared with.
        on_device: name -> function that fuses a pair which lies on the device, and waits.
        deadline: on `time.perf_counter`; no round is begun later, but for the first `FEWEST`.
    """
    work: dict[tuple[str, bool], Callable[[], object]] = {}
    for name, fuse in candidates.items():
        work[name, False] = partial(fuse, *frames)
        if name in on_device:
            work[name, True] = on_device[name]
    seconds: dict[tuple[str, bool], list[float]] = {key: [] for key in work}
    gc.collect()
    gc.freeze()  # what is there already is not searched again: that takes longer than a frame does
    # Drawn between rounds only: a thread that draws would take time from what is timed.
    with Progress(console=ERR, transient=True, auto_refresh=False) as progress:
        for number in progress.track(range(WARM_UP + rounds), description="Timing, in rounds"):
            progress.refresh()
            if number >= WARM_UP + FEWEST and time.perf_counter() > deadline:
                break
            for key, call in work.items():
                gc.collect()
                start = time.perf_counter()
                call()
                if number >= WARM_UP:
                    seconds[key].append(time.perf_counter() - start)
    gc.unfreeze()
    results = {}
    for name in candidates:
        times = seconds[name, False]
        ratios = np.divide(seconds[baseline, False], times)
        results[name] = Latency(
            rounds=len(times),
            percentiles=(*np.percentile(times, PERCENTILES).tolist(), max(times)),
            on_device=float(np.median(seconds[name, True])) if name in on_device else None,
            speedup=float(np.median(ratios)),
            speedup_range=(float(ratios.min()), float(ratios.max())),
        )
    return results


def run(
    models: Models,
    candidates: Sequence[Candidate],
    output: Path,
    sizes: Sequence[Size],
    rounds: int,
    alone: Collection[Candidate] | None = None,
    deadline: float = math.inf,
) -> str:
    """Measure candidates of one device, and write `latency.json` and `latency.md`.

    Each starts in a process of its own first, and is left out if that fails; then all take turns in
    this one.

    Args:
        models: what to measure.
        candidates: those that cannot run are named with the reason.
        output: folder.
        sizes: of the frames.
        rounds: counted calls of each candidate at each size.
        alone: those that start in processes of their own first; all if None.
        deadline: on `time.perf_counter`; no candidate is begun later, and few rounds.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    device = candidates[0].device
    rates: dict[str, floor.Rates] = {}
    results: list[dict[str, Any]] = []
    for size in sizes:
        text, frames = f"{size[0]}x{size[1]}", render(0, *size)
        ready, on_device = {}, {}
        row: dict[str, dict[str, Any]] = {}
        for candidate in candidates:
            ERR.print(f"{text}: {candidate.title}")
            entry: dict[str, Any] = {"candidate": candidate.title, "size": text}
            row[candidate.key] = entry
            try:
                if time.perf_counter() > deadline:
                    raise UserError("the time limit was reached")
                if alone is None or candidate in alone:
                    entry["start"] = asdict(attempt(candidate, models, size))
                loaded = load(candidate, models, size)
            except UserError as error:
                entry["not_run"] = str(error)
                continue
            ready[candidate.key] = loaded.fuse
            if loaded.place:
                on_device[candidate.key] = loaded.place(*frames)
            precision = candidate.precision
            if precision not in rates:
                ERR.print(f"measuring what this machine can do in {precision.upper()}")
                rates[precision] = floor.measure(device, precision)
            work = floor.count(models.onnx("fp16" if precision == "fp16" else "fp32"), size)
            entry["floor"] = floor.seconds(work, rates[precision])
            entry["work"] = asdict(work)
        if ready:
            usual = BASELINES[device].key
            baseline = usual if usual in ready else next(iter(ready))
            ERR.print(f"{text}: timing, up to {rounds} rounds")
            measured = measure(ready, frames, rounds, baseline, on_device, deadline)
            for key, found in measured.items():
                row[key] |= {"latency": asdict(found), "baseline": key == baseline}
        results += row.values()
        content = {
            "machine": machine.describe(),
            "threads": torch.get_num_threads(),
            "checkpoint": models.checkpoint.name,
            "checkpoint_digest": digest(models.checkpoint),
            "rates": {precision: asdict(rate) for precision, rate in rates.items()},
            "results": results,
        }
        table = tabulate(content)
        record.write(output, "latency", content, table)  # an interrupt loses one size
    return table


def check_all_ran(output: Path) -> None:
    """Raise a UserError if a candidate of the `latency.json` in a folder did not run."""
    results = json.loads((output / "latency.json").read_text())["results"]
    missing = [r for r in results if "not_run" in r]
    if missing:
        said = [f"{r['candidate']} at {r['size']}: {r['not_run']}" for r in missing]
        raise UserError(f"{output}: complete but for {name_some(said, separator='; ')}")


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown tables of a `latency.json`."""
    return f"{speeds(content)}\n{starts(content)}"


def speeds(content: dict[str, Any]) -> str:
    """A row for each candidate and size."""
    host = content["machine"]
    where = host["gpu"]["name"] if _on_gpu(content) else f"{host['processor']}, "
    where += "" if _on_gpu(content) else f"{content['threads']} threads"
    packages = [f"{p} {host[p]}" for p in ("torch", "onnxruntime", "tensorrt-rtx") if p in host]
    device = ["on the device", "copies"] if _on_gpu(content) else []
    lines = [
        f"{where}; {', '.join(packages)}; {host['measured'][:10]}. One frame, 8 bits, host memory "
        "to host memory; the ratio is taken round by round; the floor is operations and bytes of "
        "the graph over the rates that PyTorch reaches here; below 1, an engine beats them.",
        "",
        "| " + " | ".join(["size", "candidate", "p50", "p90", "p99", "frames/s", *device]),
    ]
    lines[-1] += f" | against {_baseline(content)} | times its floor |"
    lines.append("|" + "---|" * (8 + len(device)))
    for r in content["results"]:
        if "latency" not in r:
            blank = "| " * (5 + len(device))
            lines.append(f"| {r['size']} | {r['candidate']} {blank}| not run: {r['not_run']} |")
            continue
        t = r["latency"]
        p50, p90, p99, _ = t["percentiles"]
        low, high = t["speedup_range"]
        ratio = "1" if r["baseline"] else f"{t['speedup']:.2f}x ({low:.2f} to {high:.2f})"
        cells = [
            r["size"],
            r["candidate"],
            *map(record.duration, (p50, p90, p99)),
            f"{1 / p50:.3g}",
        ]
        if device:
            known = t["on_device"] is not None
            cells += (
                [record.duration(t["on_device"]), record.duration(p50 - t["on_device"])]
                if known
                else ["", ""]
            )
        cells += [ratio, f"{p50 / r['floor']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def starts(content: dict[str, Any]) -> str:
    """What each costs to start, the memory that it takes, and the rates under the floor."""
    device = _on_gpu(content)
    lines = ["| size | candidate | import | load | first frame | host memory |"]
    lines[-1] += " device memory |" if device else ""
    lines.append("|" + "---|" * (6 + device))
    for r in content["results"]:
        if "start" in r:
            s = r["start"]
            cells = [
                r["size"],
                r["candidate"],
                *(record.duration(s[x]) for x in ("imports", "load", "first")),
            ]
            cells += [f"{s['host']:.0f} MiB"]
            cells += [f"{s['device']:.0f} MiB"] if device else []
            lines.append(f"| {' | '.join(cells)} |")
    rates = [
        f"{precision.upper()}: {r['operations'] / 1e9:,.0f} GFLOP/s, {r['bytes'] / 1e9:,.0f} GB/s"
        for precision, r in content["rates"].items()
    ]
    lines += ["", f"Rates measured: {'; '.join(rates)}."]
    return "\n".join(lines) + "\n"


def _baseline(content: dict[str, Any]) -> str:
    """What the ratios are to: eager PyTorch, or what came first where that did not run."""
    first = dict.fromkeys(r["candidate"] for r in content["results"] if r.get("baseline"))
    eager = all(title.startswith(TITLES["eager"]) for title in first)
    return "eager" if eager else " or ".join(first)


def _on_gpu(content: dict[str, Any]) -> bool:
    return any("GPU" in r["candidate"] for r in content["results"] if "latency" in r)
