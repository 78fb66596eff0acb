import json

import numpy as np
import pytest

from benchmarks.candidates import BASELINES, Candidate
from benchmarks.layers import CROP, compare, first_to_drift, run, tabulate
from benchmarks.pairs import Pair
from export.precision import ISLANDS
from ship_deploy import UserError
from training.scenes import render

pytest.importorskip("polygraphy", reason="needs polygraphy, of the group bench")
PAIR = Pair("made", "street", *render(4, 48, 64))


def runtime(precision: str) -> Candidate:
    return Candidate("onnxruntime", "cpu", precision)


def test_fp32_drifts_nowhere_and_fp16_a_little(small_checkpoint, tmp_path):
    tables = {
        p: run(small_checkpoint, runtime(p), PAIR, tmp_path / p, 0.05) for p in ("fp32", "fp16")
    }
    found = {p: json.loads((tmp_path / p / "layers.json").read_text()) for p in tables}
    for precision, content in found.items():
        assert (tmp_path / precision / "layers.md").read_text() == tables[precision]
        assert tabulate(content) == tables[precision]
        assert content["layers"][0]["name"].endswith("edge1.process")
        assert content["layers"][-1]["name"] == "fused_y"
    assert max(x["error"] for x in found["fp32"]["layers"]) < 1e-4
    assert "none drifts" in tables["fp32"]
    assert max(x["error"] for x in found["fp16"]["layers"]) > 1e-4


def test_a_spoiled_part_is_the_first_to_drift(small_checkpoint, tmp_path, monkeypatch):
    """The spectrum in FP16 overflows; all before it is as it was."""
    islands = {p: reason for p, reason in ISLANDS.items() if p != "*.spatial.convolution"}
    monkeypatch.setattr("benchmarks.layers.ISLANDS", islands)
    bright = Pair("made", "bright", *(np.maximum(x, 200) for x in render(4, *CROP)))
    run(small_checkpoint, runtime("fp16"), bright, tmp_path, 0.05)
    content = json.loads((tmp_path / "layers.json").read_text())
    first = first_to_drift(content["layers"], content["limit"])
    assert first["name"] == "interactions.0.spatial.convolution"


def test_known_errors():
    expected = {"a": np.array([3.0, 4.0]), "b": np.array([1.0, 1.0])}
    found = {"a": np.array([3.0, 4.5]), "b": np.array([np.nan, 1.0])}
    a, b = compare(found, expected)
    assert a.error == pytest.approx(0.1) and a.largest == 0.5
    layers = [vars(a), vars(b)]
    assert first_to_drift(layers, 0.05)["name"] == "a"
    assert first_to_drift(layers, 0.2)["name"] == "b"  # not a number is never fine


def test_pytorch_itself_is_not_looked_into(small_checkpoint, tmp_path):
    with pytest.raises(UserError, match="cannot be looked into"):
        run(small_checkpoint, BASELINES["cpu"], PAIR, tmp_path, 0.1)
