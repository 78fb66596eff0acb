import json
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.candidates import BASELINES, Candidate
from benchmarks.latency import floor
from benchmarks.latency import measure as latency
from benchmarks.latency.measure import WARM_UP, check_all_ran, measure, run, tabulate
from ship_deploy import UserError

FRAMES = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_candidates_take_turns_and_are_compared_round_by_round(clock):
    """A machine that slows down slows both; the ratio stays."""
    order = []

    def takes(name: str, seconds: float):
        def candidate(visible, infrared):
            order.append(name)
            clock[0] += seconds * len(order)  # slower every time

        return candidate

    found = measure({"slow": takes("a", 3.0), "fast": takes("b", 1.0)}, FRAMES, 3, "slow")

    assert order == ["a", "b"] * (WARM_UP + 3)
    assert found["slow"].speedup == 1
    assert found["fast"].rounds == 3
    # rounds 3 to 5: the fifth and sixth call, and so on
    assert found["fast"].speedup_range == pytest.approx((15 / 6, 27 / 10))
    assert found["fast"].percentiles == pytest.approx((8, 9.6, 9.96, 10))


def test_time_on_the_device_is_apart(clock):
    def takes(seconds: float):
        def work(*_):
            clock[0] += seconds

        return work

    found = measure({"a": takes(5.0)}, FRAMES, 2, "a", {"a": takes(3.0)})
    assert found["a"].percentiles[0] == 5 and found["a"].on_device == 3


def test_writes_what_it_measured(made, tmp_path, monkeypatch):
    monkeypatch.setattr(floor, "measure", lambda *_: floor.Rates(1e9, 1e9))
    missing = Candidate("tensorrt", "cpu", "fp32")
    candidates = [BASELINES["cpu"], Candidate("onnxruntime", "cpu", "fp32"), missing]
    sizes = [(16, 24), (24, 16)]
    table = run(made, candidates, tmp_path, sizes, rounds=2, alone=candidates[:2])

    content = json.loads((tmp_path / "latency.json").read_text())
    assert (tmp_path / "latency.md").read_text() == table == tabulate(content)
    eager, runtime, absent, *later = content["results"]
    assert eager["baseline"] and not runtime["baseline"]
    assert eager["start"]["host"] > runtime["start"]["host"] > 20  # torch is in one alone
    for result in (eager, runtime):
        assert result["latency"]["rounds"] == 2
        assert result["floor"] == max(result["work"].values()) / 1e9
    assert "tensorrt" in absent["not_run"] and absent["not_run"] in table
    assert [r["size"] for r in later] == ["24x16"] * 3
    assert all("start" in r for r in later[:2])
    assert later[1]["latency"]["rounds"] == 2 and later[2]["not_run"] == absent["not_run"]
    assert content["machine"]["torch"]


def test_a_candidate_that_was_asked_for_and_did_not_run_is_a_failure(made, tmp_path, monkeypatch):
    monkeypatch.setattr(floor, "measure", lambda *_: floor.Rates(1e9, 1e9))
    missing = Candidate("tensorrt", "cpu", "fp32")
    runtime = Candidate("onnxruntime", "cpu", "fp32")
    table = run(made, [runtime, missing], tmp_path, [(16, 24)], rounds=1, alone=[])
    assert f"| against {runtime.title} |" in table, "eager did not run"
    with pytest.raises(
        UserError, match=r"complete but for TensorRT, CPU, FP32 at 16x24: .*tensorrt"
    ):
        check_all_ran(tmp_path)
    table = run(made, [runtime], tmp_path, [(16, 24)], rounds=1, alone=[])
    check_all_ran(tmp_path)


def test_the_command_fails_if_what_was_asked_for_did_not_run(tmp_path, monkeypatch):
    results = [{"candidate": "A", "size": "16x16", "not_run": "no engine"}]

    def pretend(made, chosen, output, *_):
        (output / "latency.json").write_text(json.dumps({"results": results}))
        return ""

    monkeypatch.setattr(latency, "run", pretend)
    arguments = ["latency", "-o", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    asked = CliRunner().invoke(app, [*arguments, "--candidate", "onnxruntime-cpu-fp32"])
    assert asked.exit_code == 1 and "A at 16x16: no engine" in str(asked.exception)


def test_nothing_is_begun_when_the_time_is_up(made, tmp_path):
    table = run(made, [BASELINES["cpu"]], tmp_path, [(16, 24)], 1, deadline=-1.0)
    assert "not run: the time limit was reached" in table
