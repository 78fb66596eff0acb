"""The authors' network, from their weights: PyTorch and ONNX Runtime give their pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.models import export_models
from ship_deploy import Fuser
from ship_deploy.artifact import read_artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from training.checkpoints import load_network
from training.colour import fuse_frames
from training.networks import SHIP

ROUNDING = 2e-7  # of the luminance that goes in, in FP32
RAW_TOLERANCE = 1e-4  # of the unclamped luminance, against the same formulas in FP64
STAGE_TOLERANCE = 1e-4  # of a stage's own range
LEVELS, SHARE = 1, 1e-3  # of the 8-bit frame
NAMES = [
    "constant_64x64",
    "noise_65x97",
    "odd_47x61_with_intermediates",
    "small_48x64_with_intermediates",
    "roadscene_a",
    "roadscene_b",
    "roadscene_c",
    "roadscene_d",
    "vga_480x640",
]
STAGES = {
    "vis_features": "visible_features",
    "ir_features": "infrared_features",
    "postprocess_invblock": "merge",
    "postprocess": "project",
    "refine_conv_in": "head",
    **{
        f"interaction{k + 1}{theirs}": f"interactions.{k}{ours}"
        for k in range(3)
        for theirs, ours in [
            ("_circular_convolution", ".spatial.convolution"),
            ("_norm1", ".spatial.norm"),
            ("_spatial", ".spatial"),
            ("", ".channel"),
        ]
    },
}


@pytest.fixture(scope="module")
def network(shared: Path) -> SHIP:
    return load_network(shared / "checkpoints" / "SHIP_model.pth")


@pytest.fixture(scope="module")
def models(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authors")
    export_models(shared / "checkpoints" / "SHIP_model.pth", folder)
    return folder


@pytest.fixture(params=NAMES)
def golden(shared: Path, request: pytest.FixtureRequest):
    return np.load(shared / "golden" / f"{request.param}.npz")


def check_frame(fused: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(fused.astype(int) - expected)
    assert difference.max() <= LEVELS
    assert (difference > 0).mean() <= SHARE


def test_every_golden_file_is_tested(shared):
    assert {path.stem for path in (shared / "golden").glob("*.npz")} == set(NAMES)


@torch.inference_mode()
def test_pytorch(network, golden):
    seen = []
    hook = network.register_forward_hook(lambda _, inputs, outputs: seen.append((inputs, outputs)))
    frames = (torch.from_numpy(golden[k])[None] for k in ("visible_bgr_u8", "infrared_u8"))
    fused, _ = fuse_frames(network, *frames)
    hook.remove()

    [((visible_y, infrared), (fused_y, raw))] = seen
    assert np.abs(visible_y.numpy() - golden["visible_y"]).max() <= ROUNDING
    assert np.abs(infrared.numpy() - golden["infrared"]).max() <= ROUNDING
    assert np.abs(raw.numpy() - golden["fused_y_raw_fp64"]).max() <= RAW_TOLERANCE
    assert torch.equal(fused_y, raw.clamp(0, 1))
    check_frame(fused[0].numpy(), golden["fused_bgr_u8"])


def test_onnx_runtime(models, golden):
    luminance = OnnxRuntime(read_artifact(models / "SHIP_model.luminance.onnx"), "cpu", None)
    raw = luminance.run(golden["visible_y"], golden["infrared"])
    assert np.abs(raw - golden["fused_y_raw_fp64"]).max() <= RAW_TOLERANCE

    fuser = Fuser(models / "SHIP_model.onnx", backend="onnxruntime", device="cpu")
    check_frame(fuser(golden["visible_bgr_u8"], golden["infrared_u8"]), golden["fused_bgr_u8"])


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("intermediates")])
@torch.inference_mode()
def test_every_stage(network, shared, name):
    golden = np.load(shared / "golden" / f"{name}.npz")
    found = {}

    def keep(stage):
        def hook(module, inputs, output):
            found[stage] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [
        network.get_submodule(ours).register_forward_hook(keep(theirs))
        for theirs, ours in STAGES.items()
    ]
    network(torch.from_numpy(golden["visible_y"]), torch.from_numpy(golden["infrared"]))
    for hook in hooks:
        hook.remove()

    assert found.keys() == set(golden.files) - {
        "visible_bgr_u8", "infrared_u8", "visible_y", "infrared",
        "fused_y_raw", "fused_bgr_u8", "fused_y_raw_fp64",
    }  # fmt: skip
    for stage, features in found.items():
        expected = golden[stage]
        error = np.abs(features.numpy() - expected).max() / np.ptp(expected)
        assert error <= STAGE_TOLERANCE, stage
