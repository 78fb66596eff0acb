import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import build, models, verify
from export.models import export_models
from ship_deploy import Fuser, UserError
from ship_deploy.artifact import read_artifact
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
    assert 0 < fidelity["raw_error"] <= verify.RAW_TOLERANCE


def test_one_opset_no_dft_and_nothing_of_the_build_machine(small_models):
    for path in small_models.iterdir():
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
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
    assert difference.max() <= verify.LEVELS_TOLERANCE
    assert (difference > 0).mean() <= verify.SHARE_TOLERANCE


def test_a_fixed_size_computes_no_shapes_at_run_time(small_checkpoint, tmp_path):
    export_models(small_checkpoint, tmp_path, (48, 64))
    artifact = read_artifact(tmp_path / "small.onnx")

    operators = {node.op_type for node in onnx.load_from_string(artifact.content).graph.node}

    assert artifact.metadata["size"] == "48x64"
    assert not operators & {"Range", "Mod", "Cos", "Where", "ReduceMax"}
    visible, infrared = render(1, 48, 64)
    assert Fuser(tmp_path / "small.onnx", device="cpu")(visible, infrared).shape == (48, 64, 3)


def test_an_export_out_of_tolerance_fails_and_writes_nothing(
    small_checkpoint, tmp_path, monkeypatch
):
    def spoiled(network):
        folded = build_fold(network)
        folded.output.bias.data += 3e-4  # a tenth of a grey level
        return folded

    build_fold = build.fold
    monkeypatch.setattr(build, "fold", spoiled)

    with pytest.raises(UserError, match=r"3\.\de-04 from the reference network, tolerance 1e-04"):
        export_models(small_checkpoint, tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fidelity", "message"),
    [
        (verify.Fidelity(float("nan"), 0, 0.0, ""), "nan from the reference"),
        (verify.Fidelity(2e-4, 0, 0.0, ""), "2.0e-04 from the reference"),
        (verify.Fidelity(0.0, 2, 1e-9, ""), "2 grey levels"),
        (verify.Fidelity(0.0, 1, 2e-3, ""), "0.20% of the samples"),
    ],
)
def test_tolerances(fidelity, message):
    with pytest.raises(UserError, match=message):
        fidelity.check("model")


def test_nan_from_a_model_is_not_lost(small_checkpoint):
    network = load_network(small_checkpoint)
    batches = verify.scenes([(32, 32), (40, 32)])
    calls = iter([np.nan, 0.0])

    result = verify.measure(
        network,
        lambda visible, infrared: np.full(visible.shape, next(calls), np.float32),
        lambda visible, infrared: visible,
        batches,
    )

    assert np.isnan(result.raw_error)


def test_too_small_a_size_is_refused(small_checkpoint, tmp_path):
    with pytest.raises(UserError, match="15x64, the smallest is 16x16"):
        models.export_models(small_checkpoint, tmp_path, (15, 64))
