import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import build, models, verify
from export.models import export_models
from export.precision import Precision
from ship_deploy import Fuser, UserError
from ship_deploy.artifact import read_artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from training.checkpoints import digest, load_network
from training.colour import fuse_frames
from training.scenes import render


def test_metadata_says_what_the_model_is(small_models, small_checkpoint):
    artifact = read_artifact(small_models / "small.onnx")

    assert artifact.metadata["network"] == "SHIP"
    assert json.loads(artifact.metadata["config"])["channels"] == 4
    assert artifact.metadata["precision"] == "fp32"
    assert artifact.metadata["graph"] == "frames"
    assert artifact.metadata["size"] == "any"
    assert artifact.metadata["opset"] == str(build.OPSET)
    assert artifact.metadata["checkpoint_digest"] == digest(small_checkpoint)
    fidelity = json.loads(artifact.metadata["fidelity"])
    assert 0 < fidelity["raw_error"] <= verify.TOLERANCES[Precision.FP32].raw_error


def test_one_opset_no_dft_and_nothing_of_the_build_machine(small_models):
    for path in small_models.iterdir():
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert model.ir_version == onnx.helper.find_min_ir_version_for(model.opset_import)
        assert [(o.domain, o.version) for o in model.opset_import if o.domain == ""] == [
            ("", build.OPSET)
        ]
        assert {node.domain for node in model.graph.node} == {""}
        assert "DFT" not in {node.op_type for node in model.graph.node}
        assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (48, 64), (61, 40)])
def test_one_graph_serves_every_size(fuser, small_checkpoint, size):
    visible, infrared = render(5, *size)
    network = load_network(small_checkpoint).double()

    fused = fuser(visible, infrared)

    with torch.inference_mode():
        expected, _ = fuse_frames(
            network, torch.from_numpy(visible)[None], torch.from_numpy(infrared)[None]
        )
    difference = np.abs(fused.astype(int) - expected[0].numpy())
    assert difference.max() <= verify.TOLERANCES[Precision.FP32].levels
    assert (difference > 0).mean() <= verify.TOLERANCES[Precision.FP32].off


def test_a_fixed_size_computes_no_shapes_at_run_time(small_checkpoint, tmp_path):
    export_models(small_checkpoint, tmp_path, (48, 64))
    artifact = read_artifact(tmp_path / "small.onnx")

    operators = {node.op_type for node in onnx.load_from_string(artifact.content).graph.node}

    assert artifact.metadata["size"] == "48x64"
    assert not operators & {"Range", "Mod", "Cos", "Where", "ReduceMax"}
    visible, infrared = render(1, 48, 64)
    assert Fuser(tmp_path / "small.onnx", device="cpu")(visible, infrared).shape == (48, 64, 3)


def test_the_models_may_have_another_name(small_checkpoint, tmp_path):
    written = export_models(small_checkpoint, tmp_path, (16, 16), name="mine")
    assert [model.path.name for model in written] == ["mine.onnx", "mine.luminance.onnx"]
    for name in ("a/b", ".mine", ".."):
        with pytest.raises(UserError, match="name is"):
            export_models(small_checkpoint, tmp_path, name=name)


def test_an_export_out_of_tolerance_fails_and_writes_nothing(
    small_checkpoint, tmp_path, monkeypatch
):
    def spoiled(network):
        folded = build_fold(network)
        folded.output.bias.data += 3e-4  # a tenth of a grey level
        return folded

    build_fold = build.fold
    monkeypatch.setattr(build, "fold", spoiled)

    with pytest.raises(UserError, match=r"raw error is 0\.0003\d*, the limit 0\.0001"):
        export_models(small_checkpoint, tmp_path / "out", (48, 64))

    assert not (tmp_path / "out").exists()


FINE = verify.Fidelity(
    raw_error=0.0,
    psnr=100.0,
    mean_psnr=100.0,
    levels=0,
    off=0.0,
    far_off=0.0,
    non_finite=0,
    sizes="",
)


@pytest.mark.parametrize(
    ("precision", "change", "message"),
    [
        (Precision.FP32, {"raw_error": float("nan")}, "raw error is nan"),
        (Precision.FP32, {"raw_error": 2e-4}, "raw error is 0.0002, the limit 0.0001"),
        (Precision.FP32, {"levels": 2}, "largest error in levels is 2, the limit 1"),
        (Precision.FP32, {"off": 2e-3}, "share of samples off is 0.002"),
        (Precision.FP32, {"far_off": 1e-9}, "share far off"),
        (Precision.FP16, {"psnr": 61.9}, "PSNR is 61.9, the limit 62"),
        (Precision.FP16, {"psnr": float("nan")}, "PSNR is nan"),
        (Precision.FP16, {"far_off": 2e-3}, "share far off is 0.002, the limit 0.001"),
    ],
)
def test_tolerances(precision, change, message):
    FINE.check("model", precision)
    with pytest.raises(UserError, match=message):
        replace(FINE, **change).check("model", precision)


@pytest.mark.parametrize("raw", [(np.nan, 0.0), (0.0, np.nan)])
def test_nan_from_a_model_is_not_lost(small_checkpoint, raw):
    network = load_network(small_checkpoint)
    batches = verify.scenes([(32, 32), (40, 32)])
    calls = iter(raw)

    result = verify.measure(
        network,
        lambda visible, infrared: np.full(visible.shape, next(calls), np.float32),
        lambda visible, infrared: visible,
        batches,
    )

    assert np.isnan(result.raw_error) and np.isnan(result.psnr)


def test_too_small_a_size_is_refused(small_checkpoint, tmp_path):
    with pytest.raises(UserError, match="15x64, the smallest is 16x16"):
        models.export_models(small_checkpoint, tmp_path, (15, 64))


def test_fp16_is_typed_in_the_graph_and_close(small_fp16_models):
    names = {path.name for path in small_fp16_models.iterdir()}
    assert names == {"small.fp16.onnx", "small.fp16.luminance.onnx"}
    frames = small_fp16_models / "small.fp16.onnx"
    model = onnx.load(frames)
    weights = {w.name: w.data_type for w in model.graph.initializer}
    kernels = {n.input[1] for n in model.graph.node if n.op_type == "Conv"} & weights.keys()
    narrow = [name for name in kernels if weights[name] == onnx.TensorProto.FLOAT16]
    wide = kernels - set(narrow)
    assert len(wide) == 2 + 2 + 1 + 1  # luminance, mixing, ahead of the norm, output
    metadata = read_artifact(frames).metadata
    assert metadata["precision"] == "fp16"
    assert 1e-5 < json.loads(metadata["fidelity"])["raw_error"] < 2e-2
    assert Fuser(frames, device="cpu")(*render(0, 32, 40)).shape == (32, 40, 3)


@pytest.fixture(scope="module")
def fp16_luminance(small_fp16_models):
    return OnnxRuntime(read_artifact(small_fp16_models / "small.fp16.luminance.onnx"), "cpu", None)


@pytest.mark.parametrize("kind", ["constant", "black", "saturated", "noise"])
def test_fp16_survives_hard_frames(fp16_luminance, kind):
    shape = (1, 1, 1080, 1920)
    frame = {
        "constant": lambda: np.full(shape, 0.5, np.float32),
        "black": lambda: np.zeros(shape, np.float32),
        "saturated": lambda: np.ones(shape, np.float32),
        "noise": lambda: np.random.default_rng(0).random(shape, np.float32),
    }[kind]()

    assert np.isfinite(fp16_luminance.run(frame, frame)).all()
