"""How long one frame takes, camera frame in to fused frame out, each engine beside the others."""

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import machine
from export.models import export_models
from ship_deploy import Fuser
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import Frames
from ship_deploy.images import write_png
from training.checkpoints import digest, load_network
from training.colour import fuse_frames
from training.scenes import render

Candidate = Callable[[Frames, Frames], Frames]
BASELINE = "PyTorch, eager"
WARM_UP = 1  # rounds that are not counted


@dataclass(frozen=True)
class Latency:
    """Time of one frame, wall clock.

    Attributes:
        candidate: what ran.
        size: height x width.
        rounds: counted runs.
        median: seconds.
        fastest: seconds.
        slowest: seconds.
        speedup: baseline's time over this one's in the same round; median over the rounds.
        speedup_range: the smallest and the largest of them.
    """

    candidate: str
    size: str
    rounds: int
    median: float
    fastest: float
    slowest: float
    speedup: float
    speedup_range: tuple[float, float]


def measure(
    candidates: dict[str, Candidate],
    visible: Frames,
    infrared: Frames,
    rounds: int,
    baseline: str = BASELINE,
) -> list[Latency]:
    """Time candidates in turn, round after round, so that a drifting machine drifts for all.

    Args:
        candidates: name -> function from (H, W, 3) and (H, W) to (H, W, 3), uint8.
        visible: (H, W, 3).
        infrared: (H, W).
        rounds: how often each runs, after the warm-up.
        baseline: the candidate that the others are compared with.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(WARM_UP + rounds):
        for name, run in candidates.items():
            gc.collect()
            start = time.perf_counter()
            run(visible, infrared)
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    results = []
    for name, times in seconds.items():
        ratios = [slow / own for slow, own in zip(seconds[baseline], times, strict=True)]
        height, width = infrared.shape
        results.append(
            Latency(
                candidate=name,
                size=f"{height}x{width}",
                rounds=rounds,
                median=statistics.median(times),
                fastest=min(times),
                slowest=max(times),
                speedup=statistics.median(ratios),
                speedup_range=(min(ratios), max(ratios)),
            )
        )
    return results


def run(checkpoint: Path, output: Path, sizes: list[tuple[int, int]], rounds: int) -> str:
    """Measure a checkpoint's network and its exported model; write JSON and Markdown.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    network = load_network(checkpoint)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        model = export_models(checkpoint, Path(folder))[0].path
        fuser = Fuser(model, backend="onnxruntime", device="cpu")
        candidates = {BASELINE: _eager(network), "ONNX Runtime": fuser}
        for height, width in sizes:
            results += measure(candidates, *render(0, height, width), rounds)
        memory = {f"{h}x{w}": _peak_memory(model, Path(folder), h, w) for h, w in sizes}
    record = {
        "machine": machine.describe(),
        "checkpoint": checkpoint.name,
        "checkpoint_digest": digest(checkpoint),
        "latency": [asdict(result) for result in results],
        "peak_memory_mib": memory,
    }
    table = tabulate(record)
    write_atomically(output / "latency.json", (json.dumps(record, indent=2) + "\n").encode())
    write_atomically(output / "latency.md", table.encode())
    return table


def tabulate(record: dict) -> str:
    """The Markdown table of a `latency.json`."""
    facts = record["machine"]
    lines = [
        f"{facts['processor']}, {facts['cores']} cores; torch {facts['torch']}, "
        f"onnxruntime {facts['onnxruntime']}; {facts['measured'][:10]}. Time of one frame, "
        "8-bit frames in and out, FP32; the ratio is taken round by round.",
        "",
        "| size | engine | median | fastest to slowest | against eager | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for r in record["latency"]:
        low, high = r["speedup_range"]
        eager = r["candidate"] == BASELINE
        ratio = "1" if eager else f"{r['speedup']:.2f}x ({low:.2f} to {high:.2f})"
        memory = "" if eager else f"{record['peak_memory_mib'][r['size']]:.0f} MiB"
        lines.append(
            f"| {r['size']} | {r['candidate']} | {r['median']:.2f} s | "
            f"{r['fastest']:.2f} to {r['slowest']:.2f} s | {ratio} | {memory} |"
        )
    return "\n".join(lines) + "\n"


def _eager(network: torch.nn.Module) -> Candidate:
    def fuse(visible: Frames, infrared: Frames) -> Frames:
        with torch.inference_mode():
            batch = torch.from_numpy(visible)[None], torch.from_numpy(infrared)[None]
            fused: Frames = fuse_frames(network, *batch)[0][0].numpy()
            return fused

    return fuse


def _peak_memory(model: Path, folder: Path, height: int, width: int) -> float:
    """Resident memory in MiB at its highest, of a process that fuses two frames of this size."""
    for name, picture in zip(("visible", "infrared"), render(0, height, width), strict=True):
        make_folder(folder / name)
        for number in range(2):
            write_png(folder / name / f"{number}.png", np.asarray(picture))
    paths = [folder / "visible", folder / "infrared", "-o", folder / "fused", "--model", model]
    child = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "capture_output=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-m", "ship_deploy", "fuse", *map(str, paths), "--device", "cpu"]
    result = subprocess.run(
        [sys.executable, "-c", child, *command], capture_output=True, text=True, check=True
    )
    return int(result.stdout) / 1024
