import numpy as np
import onnx
import pytest

from benchmarks.fidelity.quantisation import FLOOR, Trial, tabulate
from ship_deploy.models import CATALOGUE
from training.scenes import render

BATCH = [tuple(frame[None] for frame in render(0, 32, 48))]


@pytest.fixture(scope="module")
def trial():
    return Trial("ship-t", onnx.load(CATALOGUE["ship-t"].path), BATCH, BATCH)


def test_the_model_itself_is_the_reference(trial):
    assert trial.cost("INT8", []).psnr > 200


def test_more_layers_and_fewer_bits_cost_more(trial):
    first, *_ = trial.layers
    one, every = trial.cost("INT8", [first]), trial.cost("INT8", trial.layers)
    assert 40 < every.psnr < one.psnr < 120
    assert trial.cost("FP8", [first]).psnr < one.psnr  # three bits of mantissa


def test_weights_are_stored_in_eight_bits_with_a_scale_for_each_channel(trial):
    name = trial.layers[0]
    model = trial.quantised("INT8", [name])
    onnx.checker.check_model(model)
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    stored, steps = tensors[f"{name}.stored"], tensors[f"{name}.steps"]
    assert stored.dtype == np.int8 and len(steps) == len(stored)
    assert (np.abs(stored).max(axis=(1, 2, 3)) == 127).all()


def test_as_many_layers_as_the_floor_allows(trial):
    first, second, *_ = trial.layers
    (cost,) = trial.within("INT8", [first, second])
    assert cost.layers == [first, second] and cost.psnr >= FLOOR.mean_psnr
    assert trial.within("FP8", trial.layers) != [trial.cost("FP8", trial.layers)]


def test_the_table():
    costs = [
        {"model": "m", "type": "INT8", "layers": ["a"], "psnr": 80, "worst": 70, "engine": None},
        {"model": "m", "type": "FP8", "layers": ["a", "b"], "psnr": 60, "worst": 50, "engine": 6.0},
    ]
    machine = {"measured": "2026-11-27T00:00"}
    table = tabulate(
        {"machine": machine, "pairs": 2, "floor": {"mean": 62, "worst": 58}, "costs": costs}
    )
    assert "| m | INT8 | a | 80.0 dB | 70.0 dB |  |" in table
    assert "| m | FP8 | 2 layers | 60.0 dB | 50.0 dB | 6.0 MiB |" in table
