"""The measurements of the pipeline, in small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.streaming import overhead as stream
from benchmarks.streaming import soak
from ship_deploy.errors import UserError


def test_overhead_and_rate_are_written_down(tmp_path):
    table = stream.run(tmp_path, [(32, 40)], 10)

    (result,) = json.loads((tmp_path / "stream.json").read_text())["stream"]
    assert result["frames"] == 10 and result["size"] == "32x40"
    assert 0 < result["p50"] <= result["p99"] and result["rate"] > 0
    assert table == (tmp_path / "stream.md").read_text() and "32x40" in table


ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(soak, "RATE", 2000.0)


def test_a_soak_keeps_its_memory_and_its_accounts(quick, tmp_path):
    table = soak.run(tmp_path, 3000, 48, 64)

    result = json.loads((tmp_path / "soak.json").read_text())["soak"]
    assert result["results"] == 3000 and result["unaccounted"] == 0
    assert result["growth"] <= soak.MOST_GROWTH and len(result["resident"]) == 10
    assert 10e6 < max(result["resident"]) <= result["peak"]
    assert result["reconnections"] >= 4 and "48x64" in table


def test_a_leak_is_seen():
    """In a process of its own: what this one has freed before could hold the leak."""
    code = (
        "from benchmarks.streaming import soak; soak.RATE = 2000.0; "
        "soak.check(soak.soak(2000, 48, 64, leak=10_000))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert found.returncode == 1 and "UserError: memory grew by" in found.stderr


def test_a_lost_frame_is_seen(quick):
    result = soak.soak(1000, 48, 64)

    with pytest.raises(UserError, match="1 frames are unaccounted"):
        soak.check(soak.Soak(**{**vars(result), "unaccounted": 1}))
