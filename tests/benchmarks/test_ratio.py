import json

import pytest

from benchmarks.latency import ratio
from ship_deploy import UserError


def test_a_model_beside_itself_and_in_another_backend(tmp_path):
    names = ["ship-t", "ship-t", "ship-t", "openvino:ship-t"]
    table = ratio.run(names, tmp_path, [(48, 64)], rounds=5, threads=1)
    content = json.loads((tmp_path / "ratio.json").read_text())
    first, second = content["results"]
    assert first["levels"] == 0 and second["levels"] <= 1
    assert first["A"]["rounds"] == first["B"]["rounds"] == 5
    assert "openvino" in second["B"]["versions"] and "onnxruntime" in second["A"]["versions"]
    assert second["A"]["digest"] == second["B"]["digest"]
    assert (tmp_path / "ratio.md").read_text() == table == ratio.tabulate(content)


def test_the_table_says_how_many_times_as_fast_the_second_is():
    times = {"rounds": 9, "on_device": None, "versions": {"onnxruntime": "1", "ship-deploy": "2"}}
    first = {**times, "name": "a", "percentiles": [0.3], "speedup": 1.0, "speedup_range": [1, 1]}
    second = {**first, "percentiles": [0.2], "speedup": 1.5, "speedup_range": [1.25, 1.75]}
    second |= {"name": "openvino:a", "versions": {"openvino": "3"}}
    host = {"processor": "CPU", "measured": "2026-11-27T00:00"}
    row = {"size": "1x2", "levels": 1, "A": first, "B": second}
    table = ratio.tabulate({"machine": host, "threads": 2, "results": [row]})
    assert "| 1x2 | a | openvino:a | 300 ms | 200 ms | 1.50x (1.25 to 1.75) | 1 |" in table
    assert "2026-11-27; onnxruntime 1, openvino 3. Medians of 9 calls" in table


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["ship-t", "openvino:shp"], "shp"),
        (["ship-t"], "1 models, expected pairs"),
        (["ship-t", "openvno:ship-t"], "openvno:ship-t"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        ratio.run(names, tmp_path, [(48, 64)], rounds=5, threads=1)
