import json
import os
import time

import pytest

from benchmarks import gpu, probes
from benchmarks.device import CHECKS
from benchmarks.gpu import run, tabulate
from benchmarks.isolated import isolated
from benchmarks.latency import measure as latency
from ship_deploy import UserError
from ship_deploy.cuda.gpu import Gpu
from ship_deploy.models import CATALOGUE


@pytest.fixture
def at_once(monkeypatch):
    """Steps in this process, which has imported everything."""
    monkeypatch.setattr(gpu, "isolated", lambda work, *arguments, seconds: work(*arguments))


def test_without_a_gpu_it_builds_and_says_what_did_not_run(made, tmp_path, no_gpu, at_once):
    pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx, of the group test")
    said = []
    table = run(made, [], tmp_path, [(32, 48)], rounds=1, minutes=5, say=said.append)

    content = json.loads((tmp_path / "gpu.json").read_text())
    assert (tmp_path / "gpu.md").read_text() == table == tabulate(content)
    rtx = [b for b in content["builds"] if b["engine"].startswith("tensorrt-rtx")]
    assert {(b["precision"], b["sizes"].startswith("frames of 32x48;")) for b in rtx} >= {
        (p, fixed) for p in ("fp32", "fp16") for fixed in (True, False)
    }
    assert all(b["seconds"] > 0 and b["mib"] > 0 for b in rtx)
    assert content["problems"]["GPU"] == no_gpu and no_gpu in table
    assert content["fidelity"] is None and content["latency"] is None
    assert sum("Build with tensorrt-rtx" in line for line in said) == 4


@pytest.fixture
def gpu_here(monkeypatch, at_once):
    """As if there were a GPU: what needs one fails, in the words of its library."""
    monkeypatch.setattr(gpu, "find_gpu", lambda: Gpu("Stand-in", "9.0", "13.0"))


def test_with_a_gpu_what_fails_is_said_and_the_rest_goes_on(made, tmp_path, no_gpu, gpu_here):
    table = run(made, [], tmp_path, [(32, 48), (48, 32)], 1, minutes=5, say=lambda _: None)

    content = json.loads((tmp_path / "gpu.json").read_text())
    rows = content["latency"]["results"]
    assert {(r["candidate"], r["size"]) for r in rows} >= {
        ("PyTorch, eager, GPU, TF32", "32x48"),
        ("PyTorch, torch.compile, GPU, FP16", "32x48"),
        ("ONNX Runtime, GPU, FP16", "48x32"),
    }
    assert len(rows) == len({(r["candidate"], r["size"]) for r in rows})
    assert all("not_run" in r for r in rows)
    assert len(content["device"]) == len(CHECKS)
    assert all(no_gpu in outcome for outcome in content["device"].values())
    assert "no CUDA" in content["problems"]["Fidelity"]
    assert table == (tmp_path / "gpu.md").read_text()
    assert all("no CUDA" in content["problems"][f"{n} in ONNX Runtime, 32x48"] for n in CATALOGUE)
    for name in ("built here, default target", "built here, current target"):
        assert name in content["probes"]


def test_the_table_has_the_bundled_models(made, tmp_path, no_gpu, gpu_here, monkeypatch):
    row = {"way": probes.WAYS[1], "first": 1.25, "median": 0.004, "slowest": 0.005, "difference": 1}
    monkeypatch.setattr(probes, "time_bundled", lambda name, size: [{"model": name, **row}])
    table = run(made, [], tmp_path, [(32, 48)], 1, minutes=5, say=lambda _: None)
    for name in CATALOGUE:
        assert f"| {name} | NumPy arrays, CUDA graph | 1.25 s | 4.00 ms | 5.00 ms | 1 |" in table


def test_nothing_is_begun_when_the_time_is_up(made, tmp_path, no_gpu, gpu_here):
    run(made, [], tmp_path, [(32, 48)], 1, minutes=0, say=lambda _: None)
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert set(content["problems"].values()) == {"the time limit was reached"}
    assert content["latency"] is None


def test_work_in_a_process_of_its_own():
    assert isolated(os.path.basename, "a/b", seconds=60) == "b"


@pytest.mark.parametrize(
    ("work", "arguments", "message"),
    [
        (os.listdir, ["/no/such"], "FileNotFoundError: .*/no/such"),
        (os.abort, [], r"crashed \(SIGABRT\)"),
        (os._exit, [3], r"crashed \(exit code 3\)"),
        (latency.machine.where, [{}], "KeyError: 'processor'"),
    ],
)
def test_what_fails_there_is_an_error_here(work, arguments, message):
    with pytest.raises(UserError, match=message):
        isolated(work, *arguments, seconds=60)


def test_what_hangs_is_ended():
    start = time.monotonic()
    with pytest.raises(UserError, match="did not finish within 2 s"):
        isolated(time.sleep, 600, seconds=2)
    assert time.monotonic() - start < 60
