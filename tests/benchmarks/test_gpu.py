import json

import pytest

from benchmarks.gpu import run, tabulate

pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx, of the group test")


def test_without_a_gpu_it_builds_and_says_what_did_not_run(made, tmp_path, no_gpu):
    said = []
    table = run(made, [], tmp_path, [(32, 48)], rounds=1, minutes=1, say=said.append)

    content = json.loads((tmp_path / "gpu.json").read_text())
    assert (tmp_path / "gpu.md").read_text() == table == tabulate(content)
    rtx = [b for b in content["builds"] if b["engine"].startswith("tensorrt-rtx")]
    assert {(b["precision"], b["sizes"].startswith("frames of 32x48;")) for b in rtx} >= {
        (p, fixed) for p in ("fp32", "fp16") for fixed in (True, False)
    }
    assert all(b["seconds"] > 0 and b["mib"] > 0 for b in rtx)
    for step in ("Fidelity", "Latency"):
        assert content["problems"][step] in table
    assert content["fidelity"] is None and content["latency"] is None
    assert sum("Build with tensorrt-rtx" in line for line in said) == 4
