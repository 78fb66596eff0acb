"""FISCNet from its authors' weights: PyTorch, ONNX Runtime and FP16 give their pictures.

And pictures that no longer depend on rounding where a frame has no phase. The graph of luminances
stands for both: what colour adds is the same for all networks.
"""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.arithmetic import HalfArithmetic
from benchmarks.fidelity.narrowing import deviation
from export.build import Graph, build, finish
from export.fold import fold
from export.precision import Narrowed, Precision
from export.verify import TOLERANCES_ON_REAL_FRAMES, Reference
from ship_deploy.artifact import read_artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from training.checkpoints import load_network
from training.colour import fuse_frames
from training.networks.fiscnet import ARCHITECTURE, FISCNet

RAW_TOLERANCE = 1e-4  # of the unclamped luminance, against the same formulas in FP64
STAGE_TOLERANCE = 1e-4  # of a stage's own range
LEVELS, SHARE = 1, 1e-3  # of the 8-bit frame
HARD = ["black", "box", "edge", "flat", "ramp across", "ramp down", "stripes"]
HARD_SIZES = [(47, 61), (64, 64), (65, 97)]
NAMES = [  # the two large ones last
    "constant_64x64",
    "noise_65x97",
    "odd_47x61_with_intermediates",
    "small_48x64_with_intermediates",
    "roadscene_b",
    "roadscene_a",
    "vga_480x640",
]
STAGES = {  # theirs to ours, and which call of ours
    "phase_mix": ("phases", 0),
    "level1_fused_features": ("lift", 0),
    "level1_vis_features": ("lift", 1),
    "level1_ir_features": ("lift", 2),
    "level1_invblock": ("interaction.mix", 0),
    "level1": ("interaction", 0),
    "level2_fused_features": ("levels.0.fused", 0),
    "level2_phase_mix": ("levels.0.phases", 0),
    "level2": ("levels.0.interaction", 0),
    "level3_phase_mix": ("levels.1.phases", 0),
    "level3": ("levels.1.interaction", 0),
    "refine_conv_in": ("head", 0),
}


@pytest.fixture(scope="module")
def network(shared: Path) -> FISCNet:
    return load_network(shared / "checkpoints" / "FISCNet_model.pth")


@pytest.fixture(scope="session")
def luminance(shared: Path, once) -> OnnxRuntime:
    def fill(folder: Path) -> None:
        authors = load_network(shared / "checkpoints" / "FISCNet_model.pth")
        (folder / "model.onnx").write_bytes(finish(build(authors, Graph.LUMINANCE)))

    model = once("fiscnet", fill) / "model.onnx"
    return OnnxRuntime(read_artifact(model), "cpu", 1)


def read(shared: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(shared / "golden" / "fiscnet" / f"fiscnet_{name}.npz") as file:
        return dict(file)


def check_frame(fused: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(fused.astype(int) - expected)
    assert difference.max() <= LEVELS
    assert (difference > 0).mean() <= SHARE


def test_every_golden_file_is_tested(shared):
    found = {path.stem for path in (shared / "golden" / "fiscnet").glob("*.npz")}
    assert found == {f"fiscnet_{name}" for name in NAMES}


@pytest.mark.parametrize("name", NAMES[:-2])  # the graph sees the large ones
@torch.inference_mode()
def test_pytorch(network, shared, name):
    golden = read(shared, name)
    frames = (torch.from_numpy(golden[key])[None] for key in ("visible_bgr_u8", "infrared_u8"))
    fused, raw = fuse_frames(network, *frames)
    assert np.abs(raw.numpy() - golden["fused_y_raw_fp64"]).max() <= RAW_TOLERANCE
    check_frame(fused[0].numpy(), golden["fused_bgr_u8"])


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime(luminance, shared, name):
    golden = read(shared, name)
    raw = luminance.run(golden["visible_y"], golden["infrared"])
    assert np.abs(raw - golden["fused_y_raw_fp64"]).max() <= RAW_TOLERANCE


def hard_frame(kind: str, height: int, width: int) -> np.ndarray:
    """Infrared whose spectrum is nothing in most places, (1, 1, H, W) float32 in [0, 1]."""
    y, x = np.mgrid[:height, :width]
    middle = (abs(2 * y - height) < height // 2) & (abs(2 * x - width) < width // 2)
    levels = {
        "black": 0 * x,
        "box": 200 * middle,
        "edge": np.where(x < width // 2, 60, 180),
        "flat": 0 * x + 37,
        "ramp across": x * 255 // (width - 1),
        "ramp down": y * 255 // (height - 1),
        "stripes": np.where(y // 5 % 3 == 0, 90, 30),
    }
    return (levels[kind] / 255).astype(np.float32)[None, None]


@pytest.mark.parametrize("size", HARD_SIZES)
@torch.inference_mode()
def test_a_frame_without_a_phase_gives_one_picture(network, luminance, shared, size):
    """PyTorch and ONNX Runtime against FP64: rounding decides nothing."""
    height, width = size
    scene = read(shared, "vga_480x640")["visible_y"][..., :height, :width]
    visible = np.repeat(scene, len(HARD), axis=0)
    infrared = np.concatenate([hard_frame(kind, height, width) for kind in HARD])
    frames = [torch.from_numpy(visible), torch.from_numpy(infrared)]
    expected = deepcopy(network).double()(*(frame.double() for frame in frames))[1].numpy()
    for raw in (network(*frames)[1].numpy(), luminance.run(visible, infrared)):
        errors = np.abs(raw - expected).max((1, 2, 3))
        assert errors.max() <= RAW_TOLERANCE, dict(zip(HARD, errors, strict=True))


@pytest.mark.parametrize("infrared", ["real", "black", "flat", "box"])
def test_fp16_keeps_the_picture(network, shared, infrared):
    golden = read(shared, "roadscene_b")
    frames = [golden[key][40:160, 60:220] for key in ("visible_bgr_u8", "infrared_u8")]
    if infrared != "real":
        frames[1] = np.rint(255 * hard_frame(infrared, 120, 160)[0, 0]).astype(np.uint8)
    visible, thermal = (np.ascontiguousarray(frame)[None] for frame in frames)
    expected = Reference(network)(visible, thermal)
    limit = TOLERANCES_ON_REAL_FRAMES[Precision.FP16]

    found = deviation(Narrowed(fold(network), ARCHITECTURE.half), (visible, thermal), expected)

    assert found.non_finite == 0
    assert found.psnr >= limit.mean_psnr
    assert found.far_off <= limit.far_off


def test_fp16_of_phases_overflows(network, shared):
    """So the arithmetic does see what it is to see."""
    golden = read(shared, "small_48x64_with_intermediates")
    frames = golden["visible_bgr_u8"][None], golden["infrared_u8"][None]
    half = ARCHITECTURE.half
    islands = {key: why for key, why in half.islands.items() if key != "*phases"}
    narrowed = Narrowed(fold(network), replace(half, islands=islands))
    with HalfArithmetic(), torch.inference_mode():
        assert not fuse_frames(narrowed, *map(torch.from_numpy, frames))[1].isfinite().all()


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("intermediates")])
@torch.inference_mode()
def test_every_stage(network, shared, name):
    golden = read(shared, name)
    seen: dict[str, list[torch.Tensor]] = {}
    paths = {ours for ours, _ in STAGES.values()}

    def keep(path):
        def hook(module, inputs, output):
            seen.setdefault(path, []).append(output)

        return hook

    hooks = [network.get_submodule(p).register_forward_hook(keep(p)) for p in paths]
    hooks.append(
        network.interaction.mix.register_forward_pre_hook(
            lambda module, inputs: seen.setdefault("compensated", []).append(inputs[0])
        )
    )
    network(torch.from_numpy(golden["visible_y"]), torch.from_numpy(golden["infrared"]))
    for hook in hooks:
        hook.remove()

    stages = {**STAGES, "level1_compensated": ("compensated", 0)}
    assert stages.keys() == golden.keys() - {
        "visible_bgr_u8", "infrared_u8", "visible_y", "infrared",
        "fused_y_raw", "fused_bgr_u8", "fused_y_raw_fp64",
    }  # fmt: skip
    for stage, (path, call) in stages.items():
        expected = golden[stage]
        error = np.abs(seen[path][call].numpy() - expected).max() / np.ptp(expected)
        assert error <= STAGE_TOLERANCE, stage
