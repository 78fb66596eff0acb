"""One candidate in a process of its own: what it costs to start, and what memory it takes.

Cold starts and peaks of memory can be measured in no other way; and a crash inside a driver ends
that process only.
"""

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.candidates import TORCH, Candidate
from benchmarks.loading import fuser_options
from benchmarks.models import Models, Size
from ship_deploy.errors import UserError
from training.scenes import render

HOW_LONG = 900  # seconds that a trial may take


@dataclass(frozen=True)
class Trial:
    """What one process measured, wall clock in seconds, memory in MiB.

    Attributes:
        imports: of what the candidate needs, from the start of the process's own work.
        load: until it was ready for frames; exporting and building do not count.
        first: its first call.
        calls: those after it, each.
        host: the process's resident memory at its highest.
        device: what the process took of the GPU's memory; None on a CPU.
    """

    imports: float
    load: float
    first: float
    calls: list[float]
    host: float
    device: float | None


def attempt(
    candidate: Candidate, models: Models, size: Size, calls: int = 1, batch: int | None = None
) -> Trial:
    """Run a candidate in a new process.

    Args:
        candidate: what to run.
        models: what it is made from.
        size: of the frames.
        calls: how many after the first.
        batch: frames of a call, in a batch; single frames if None.

    Raises:
        UserError: it cannot run here, and why; or it crashed.
    """
    visible, infrared = render(0, *size)
    if batch is not None:
        visible, infrared = (np.repeat(f[None], batch, axis=0) for f in (visible, infrared))
    job: dict[str, Any] = {"candidate": asdict(candidate), "calls": calls}
    if candidate.engine in TORCH:
        job["models"] = {"checkpoint": str(models.checkpoint), "folder": str(models.folder)}
    else:
        job["fuser"] = fuser_options(candidate, models, size)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/frames.npz", visible=visible, infrared=infrared)
        Path(folder, "job.json").write_text(json.dumps(job))
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "benchmarks.latency.trial_process", folder],
                capture_output=True,
                text=True,
                cwd=Path(__file__).parents[2],
                timeout=HOW_LONG,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(f"gave no frame within {HOW_LONG} s") from error
        written = Path(folder, "result.json")
        content = json.loads(written.read_text()) if written.exists() else {}
    if ended.returncode < 0:
        raise UserError(f"crashed ({signal.Signals(-ended.returncode).name})")
    if "problem" in content:
        raise UserError(content["problem"])
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UserError(last[:300])
    return Trial(**content)
