"""`ship-deploy info`: what a model is, as JSON."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from tests.ship_deploy.commands.process import check_refused, ship_deploy


def test_info_is_json(model):
    result = ship_deploy("info", model)
    info = json.loads(result.stdout)
    assert (info["network"], info["precision"], info["size"]) == ("SHIP", "fp32", "any")
    assert info["fidelity"]["raw_error"] < 1e-4
    assert len(info["digest"]) == 64


ABOUT = {"network": "SHIP", "step": "4", "validation": '{"step": 3, "MI": 2.5}', "before": "[]"}


def test_a_checkpoint_says_what_it_was_trained_with(tmp_path):
    path = tmp_path / "mine.safetensors"
    tensors = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float16)}
    path.write_bytes(save(tensors, ABOUT))
    info = json.loads(ship_deploy("info", path).stdout)
    assert info.pop("path") == str(path) and len(info.pop("digest")) == 64
    assert info.pop("parameters") == 17
    assert info == ABOUT | {"validation": {"step": 3, "MI": 2.5}, "before": []}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content[:4], "not a .safetensors file, or it is truncated"),
        (lambda content: content[:20], "not a .safetensors file, or it is truncated"),
        (lambda content: content[:-1], "truncated, or its tensors are not where it says"),
        (lambda content: content.replace(b"F32", b"X32"), "is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_one_line(tmp_path, spoil, said):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(spoil(save({"a": np.zeros(3, np.float32)}, ABOUT)))
    check_refused(ship_deploy("info", path), said)
