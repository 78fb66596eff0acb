import json
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.latency import BASELINE, measure, run, tabulate


def test_candidates_take_turns_and_are_compared_round_by_round(monkeypatch):
    """A machine that slows down slows both; the ratio stays."""
    clock, order = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def takes(name: str, seconds: float):
        def candidate(visible, infrared):
            order.append(name)
            clock[0] += seconds * len(order)  # slower every time

        return candidate

    frames = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)
    results = measure({BASELINE: takes("a", 3.0), "other": takes("b", 1.0)}, *frames, rounds=3)

    assert order == ["a", "b"] * 4
    assert results[0].speedup == 1
    assert results[1].rounds == 3
    # rounds 2 to 4: the third and fourth call, and so on
    assert results[1].speedup_range == pytest.approx((9 / 4, 21 / 8))
    assert results[1].median == pytest.approx(6)


def test_writes_what_it_measured(small_checkpoint, tmp_path):
    table = run(small_checkpoint, tmp_path, [(16, 24)], rounds=2)

    record = json.loads((tmp_path / "latency.json").read_text())
    assert (tmp_path / "latency.md").read_text() == table == tabulate(record)
    assert [r["candidate"] for r in record["latency"]] == [BASELINE, "ONNX Runtime"]
    assert record["machine"]["torch"]
    assert record["peak_memory_mib"]["16x24"] > 20


def test_the_readme_shows_the_committed_figures():
    root = Path(__file__).parents[2]
    record = json.loads((root / "benchmarks" / "results" / "latency.json").read_text())
    assert tabulate(record) in (root / "README.md").read_text()
