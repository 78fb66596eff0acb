import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.candidates import Candidate
from benchmarks.latency import trial
from benchmarks.latency.trial import attempt
from ship_deploy import UserError

ROOT = Path(__file__).parents[2]
SIZE = (32, 48)


@pytest.fixture
def crashing(monkeypatch):
    """Trials of a process that kills itself, as a driver may."""
    run = trial.subprocess.run

    def instead(command, **options):
        return run([command[0], "-c", "import os; os.kill(os.getpid(), 11)"], **options)

    monkeypatch.setattr(trial.subprocess, "run", instead)


def test_measures_a_process_of_its_own(made):
    found = attempt(Candidate("onnxruntime", "cpu", "fp32"), made, SIZE, calls=2)
    assert len(found.calls) == 2 and min(found.calls) > 0
    assert found.first > 0 and found.load > 0 and found.imports > 0
    assert 20 < found.host < 250  # MiB; without torch, and without what this process holds
    assert found.device is None


def test_batches(made):
    attempt(Candidate("onnxruntime", "cpu", "fp32"), made, SIZE, batch=2)


def test_what_cannot_run_says_why(made, no_gpu):
    with pytest.raises(UserError, match="no NVIDIA GPU that CUDA can use"):
        attempt(Candidate("eager", "cuda", "fp32"), made, SIZE)


def test_a_crash_ends_the_trial_only(made, crashing):
    with pytest.raises(UserError, match=signal.Signals(11).name):
        attempt(Candidate("onnxruntime", "cpu", "fp32"), made, SIZE)


def test_the_process_imports_no_torch_for_the_runtime():
    """Its import time is that of a pipeline which embeds the runtime."""
    code = "import sys, benchmarks.latency.trial_process; print('torch' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.strip() == "False"
