import json

import numpy as np
import pytest

import benchmarks.fidelity.layers
from benchmarks.candidates import BASELINES, Candidate
from benchmarks.fidelity.layers import compare, first_to_drift, run, tabulate, tapped
from benchmarks.pairs import Pair
from ship_deploy import UserError
from training.scenes import render

pytest.importorskip("polygraphy", reason="needs polygraphy, of the group bench")
PAIR = Pair("made", "street", *render(4, 48, 64))


def runtime(precision: str) -> Candidate:
    return Candidate("onnxruntime", "cpu", precision)


def test_fp32_drifts_nowhere(small_checkpoint, tmp_path):
    table = run(small_checkpoint, runtime("fp32"), PAIR, tmp_path, 1e-4)

    content = json.loads((tmp_path / "layers.json").read_text())
    assert (tmp_path / "layers.md").read_text() == table == tabulate(content)
    assert content["layers"][0]["name"].endswith("edge1.process")
    assert content["layers"][-1]["name"] == "fused_y"
    assert max(layer["error"] for layer in content["layers"]) < 1e-4
    assert "none drifts" in table


def test_a_spoiled_part_is_the_first_to_drift(small_checkpoint, tmp_path, monkeypatch):
    """All before it has the small errors of FP16."""

    def spoilt(checkpoint, precision):
        network = tapped(checkpoint, precision)
        if precision == "fp16":
            network.network.network.merge.mix_rest.part.weight *= 1.1
        return network

    monkeypatch.setattr(benchmarks.fidelity.layers, "tapped", spoilt)
    run(small_checkpoint, runtime("fp16"), PAIR, tmp_path, 0.05)

    content = json.loads((tmp_path / "layers.json").read_text())
    assert first_to_drift(content["layers"], 0.05)["name"] == "merge.mix_rest"
    assert content["layers"][0]["error"] > 1e-5


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
