"""OpenVINO, which is among the packages of the tests."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from ship_deploy import Fuser, UserError
from ship_deploy.artifact import read_artifact
from ship_deploy.backends.openvino import OpenVINO
from ship_deploy.backends.providers import GpuOptions
from tests.conftest import render


@pytest.fixture(scope="module")
def openvino(model):
    return Fuser(model, backend="openvino", threads=1)


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (16, 16), (96, 64)])
def test_fuses_like_onnxruntime(fuser, openvino, size):
    visible, infrared = render(5, *size)
    for pair in ((visible, infrared), (visible[:, ::-1], infrared[::-1])):
        difference = openvino(*pair).astype(int) - fuser(*pair)
        assert np.abs(difference).max() <= 1


def test_computes_in_the_types_of_the_model_with_the_threads_that_are_asked_for(openvino):
    openvino(*render(5, 64, 96))
    model = openvino._backend._compiled[(1, 64, 96, 3), (1, 64, 96)].model
    assert str(model.get_property("INFERENCE_PRECISION_HINT")) == "<Type: 'float32'>"
    assert model.get_property("INFERENCE_NUM_THREADS") == 1
    info = openvino.info
    assert (info.backend, info.device, info.threads) == ("openvino", "cpu", 1)
    assert info.versions.keys() == {"openvino", "ship-deploy"}


def test_many_threads_may_call_it(openvino):
    pairs = [render(seed, 48, 64) for seed in range(12)]
    expected = [openvino(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: openvino(*pair), pairs * 4))
    for image, right in zip(found, expected * 4, strict=True):
        assert np.array_equal(image, right)


def test_sizes_take_turns(model, fuser):
    """More of them than are kept."""
    openvino = Fuser(model, backend="openvino", threads=1)
    pairs = [render(seed, 16 + 16 * seed, 48) for seed in range(6)]
    for pair in pairs + pairs[::-1]:
        assert np.abs(openvino(*pair).astype(int) - fuser(*pair)).max() <= 1
        assert len(openvino._backend._compiled) <= 4
    assert [shapes[0][1] for shapes in openvino._backend._compiled] == [64, 48, 32, 16]


def test_what_it_gave_does_not_change(openvino):
    first = openvino(*render(1, 48, 64))
    copy = first.copy()
    openvino(*render(2, 48, 64))
    assert np.array_equal(first, copy) and first.flags.writeable


QUIET = """
import sys
from ship_deploy import Fuser
Fuser(sys.argv[1], backend="openvino")
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
import openvino_telemetry
"""


def test_nothing_is_reported_to_anybody(model, tmp_path):
    """Importing openvino writes an identity into HOME, and sends it with a message."""
    done = subprocess.run(
        [sys.executable, "-c", QUIET, model],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "device is 'cuda'; openvino takes auto or cpu"),
        ({"threads": 0}, "threads is 0, expected a whole number from 1 up"),
        ({"gpu": GpuOptions(memory=5)}, "gpu is for ONNX Runtime; OpenVINO runs on the CPU here"),
    ],
)
def test_what_cannot_be(model, options, message):
    with pytest.raises(UserError, match=message):
        Fuser(model, backend="openvino", **options)


def test_models_that_cannot_be(model):
    artifact = read_artifact(model)
    narrow = replace(artifact, metadata={**artifact.metadata, "precision": "fp16"})
    with pytest.raises(UserError, match=r"small\.onnx: fp16; openvino does not keep the types"):
        OpenVINO(narrow, "auto", None)
    with pytest.raises(
        UserError, match=r"small\.onnx: OpenVINO cannot load it \(Unable to read the model"
    ):
        OpenVINO(replace(artifact, content=b"nothing"), "auto", None)


def test_a_model_that_fails_is_one_line(openvino):
    visible, infrared = render(0, 32, 48)
    with pytest.raises(UserError, match=r"small\.onnx: the model failed \(Incompat"):
        openvino._backend.run(visible[None, ..., :2], infrared[None])
    with pytest.raises(UserError, match="takes 2 inputs, not two frames"):
        openvino._backend.run(visible[None])
    assert openvino(visible, infrared).shape == visible.shape


def test_without_the_package(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"OpenVINO is not installed: pip install '\.\[openvino\]'"):
        Fuser(model, backend="openvino")
