import json
from xml.etree import ElementTree

from benchmarks.candidates import Candidate
from benchmarks.latency.scaling import draw, run, tabulate

RUNTIME, MISSING = Candidate("onnxruntime", "cpu", "fp32"), Candidate("tensorrt", "cpu", "fp16")


def test_measures_sizes_and_batches(made, tmp_path):
    table = run(made, [RUNTIME], tmp_path, [(16, 24), (32, 48)], [2], (16, 24), calls=1)

    content = json.loads((tmp_path / "scaling.json").read_text())
    assert (tmp_path / "scaling.md").read_text() == table == tabulate(content)
    assert [(p["size"], p["batch"]) for p in content["points"]] == [
        ([16, 24], None),
        ([32, 48], None),
        ([16, 24], 2),
    ]
    assert all(p["seconds"] > 0 and p["memory_mib"] > 20 for p in content["points"])
    assert (tmp_path / "scaling.svg").read_bytes() == draw(content)
    ElementTree.fromstring(draw(content))


def test_what_cannot_run_is_named():
    point = {"candidate": "a", "size": [16, 24], "batch": None, "not_run": "no memory"}
    content = {"machine": {"gpu": None, "processor": "p", "cores": "1", "measured": ""}}
    content |= {"calls": 1, "points": [point]}
    assert "| a | 16x24 | | | not run: no memory |" in tabulate(content)
    assert b"<svg" in draw(content)
