import json
import sys

import pytest

from benchmarks.latency import ratio
from ship_deploy import UserError


def test_a_model_beside_itself(tmp_path):
    table = ratio.run("ship-t", "ship-t", tmp_path, [(48, 64)], rounds=5, threads=1)
    content = json.loads((tmp_path / "ratio.json").read_text())
    (row,) = content["results"]
    assert row["levels"] == 0 and row["A"]["rounds"] == row["B"]["rounds"] == 5
    assert set(content["models"]) == {"ship-t"} and content["openvino"] is None
    assert (tmp_path / "ratio.md").read_text() == table == ratio.tabulate(content)


def test_the_table_says_how_many_times_as_fast_the_second_is():
    times = {"rounds": 9, "on_device": None}
    first = {**times, "percentiles": [0.3], "speedup": 1.0, "speedup_range": [1.0, 1.0]}
    second = {**times, "percentiles": [0.2], "speedup": 1.5, "speedup_range": [1.25, 1.75]}
    host = {"processor": "CPU", "measured": "2026-11-27T00:00", "onnxruntime": "1"}
    table = ratio.tabulate(
        {
            "machine": host,
            "threads": 2,
            "names": {"A": "a", "B": "openvino:a"},
            "openvino": "openvino==1",
            "results": [{"size": "1x2", "levels": 1, "A": first, "B": second}],
        }
    )
    assert "| 1x2 | 300 ms | 200 ms | 1.50x (1.25 to 1.75) | 1 |" in table
    assert "openvino==1. Medians of 9 calls" in table


def test_openvino_that_does_not_run_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(ratio, "environment", lambda packages: sys.executable)  # which has none
    with pytest.raises(UserError, match="OpenVINO does not run it"):
        ratio.run("ship-t", "openvino:ship-t", tmp_path, [(48, 64)], rounds=5, threads=1)


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="shp"):
        ratio.run("ship-t", "openvino:shp", tmp_path, [(48, 64)], rounds=5, threads=1)
