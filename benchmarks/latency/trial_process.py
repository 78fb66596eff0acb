"""The process of a trial. It imports nothing that its candidate does not need; see `trial`."""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    """Run FOLDER/job.json on FOLDER/frames.npz, and write FOLDER/result.json."""
    try:
        result = _work(json.loads((folder / "job.json").read_text()), folder)
    except Exception as error:  # of any library; the parent says what it was
        name = "" if type(error).__name__ == "UserError" else f"{type(error).__name__}: "
        result = {"problem": " ".join(f"{name}{error}".split())[:400]}
    (folder / "result.json").write_text(json.dumps(result))
    os._exit(0)  # no clean-up: a library that crashes in it has done its work


def _work(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    start = time.perf_counter()
    make = _fuser(job["fuser"]) if "fuser" in job else _torch(job)
    imported = time.perf_counter()
    on_gpu = job["candidate"]["device"] == "cuda"
    free = _free() if on_gpu else None
    begun = time.perf_counter()
    fuse = make()
    load = time.perf_counter() - begun
    import numpy as np  # there already, by now

    with np.load(folder / "frames.npz") as frames:
        visible, infrared = frames["visible"], frames["infrared"]
    times = [time.perf_counter()]
    for _ in range(1 + job["calls"]):
        fuse(visible, infrared)
        times.append(time.perf_counter())
    first, *others = [b - a for a, b in pairwise(times)]
    return {
        "imports": imported - start,
        "load": load,
        "first": first,
        "calls": others,
        "host": _peak(),
        "device": None if free is None else (free - _free()) / 2**20,
    }


def _fuser(options: dict[str, Any]) -> Callable[[], Callable[..., Any]]:
    """What a pipeline does that embeds the runtime."""
    from ship_deploy import Fuser

    return lambda: Fuser(**options)


def _torch(job: dict[str, Any]) -> Callable[[], Callable[..., Any]]:
    from benchmarks.candidates import Candidate
    from benchmarks.loading import load
    from benchmarks.models import Models

    models = Models(*map(Path, job["models"].values()))
    return lambda: load(Candidate(**job["candidate"]), models, (0, 0)).fuse


def _peak() -> float:
    """Resident memory at its highest, in MiB; `getrusage` would give the parent's, if larger."""
    (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


def _free() -> int:
    """Free memory of the GPU, in bytes."""
    from cuda.bindings import runtime

    from ship_deploy import UserError

    status, free, _ = runtime.cudaMemGetInfo()
    if status:
        raise UserError(f"no NVIDIA GPU that CUDA can use (CUDA error {int(status)})")
    return int(free)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
