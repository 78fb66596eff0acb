import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.candidates import BASELINES, FOR_FIDELITY, FOR_LATENCY, Candidate, choose
from benchmarks.loading import KeptConstants, _cudnn, load, load_graphs
from export.fold import fold
from ship_deploy import UserError
from training.checkpoints import load_network
from training.colour import fuse_frames
from training.scenes import render

SHAPES = (1, 48, 64, 3), (1, 48, 64)
FP32 = Candidate("onnxruntime", "cpu", "fp32")


class HostTensors(TorchDispatchMode):
    """Counts operations, and names those that tensors of the host take part in."""

    def __init__(self):
        super().__init__()
        self.calls, self.on_host = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        tensors = [x for x in tree_leaves((args, result)) if isinstance(x, torch.Tensor)]
        if any(x.device.type == "cpu" for x in tensors):
            self.on_host.append(str(func))
        return result


def test_keys_are_unique_and_choose():
    everything = [*FOR_LATENCY["cpu"], *FOR_LATENCY["cuda"]]
    assert len({c.key for c in everything}) == len(everything)
    assert choose(["onnxruntime-cpu-fp32"], everything) == [FP32]
    assert choose([], FOR_FIDELITY) == FOR_FIDELITY
    with pytest.raises(UserError, match=r"unknown candidate 'onnx'.*onnxruntime-cpu-fp32"):
        choose(["onnx"], everything)


def test_every_device_has_its_baseline_among_the_candidates():
    for device, candidates in FOR_LATENCY.items():
        assert BASELINES[device] in candidates
        assert {c.device for c in candidates} == {device}


def test_flavours():
    assert Candidate("tensorrt-rtx-pycuda", "cuda", "fp16").flavour == "tensorrt-rtx"
    assert Candidate("tensorrt-pycuda", "cuda", "fp16").flavour == "tensorrt"
    assert FP32.flavour is None


@pytest.mark.parametrize("candidate", [BASELINES["cpu"], FP32], ids=lambda c: c.key)
def test_candidates_of_the_cpu_fuse_alike(made, candidate):
    visible, infrared = render(5, 48, 64)
    expected = load_graphs(FP32, made)(visible[None], infrared[None])[0][0]
    fused = load(candidate, made, (48, 64)).fuse(visible, infrared)
    assert fused.shape == visible.shape
    assert abs(fused.astype(int) - expected).max() <= 1


def test_without_a_gpu_they_say_so(made, no_gpu):
    for candidate in FOR_LATENCY["cuda"]:
        if candidate.engine == "eager" or candidate.flavour == "tensorrt":
            with pytest.raises(UserError):
                load(candidate, made, (48, 64))


def test_what_a_capture_would_wait_for_is_copied_once():
    like, values, constants = torch.zeros(1), ((1.0, 2.0),), KeptConstants()
    with torch.inference_mode(), constants:
        first = like.new_tensor(values)
    with torch.inference_mode(), constants:
        assert like.new_tensor(values) is first
        assert like.double().new_tensor(values).dtype == torch.float64
    assert like.new_tensor(values) is not first


def test_fp32_is_without_tf32_and_what_was_set_before_comes_back():
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.allow_tf32
    for precision, expected in (("fp32", False), ("fp16", False), ("tf32", True)):
        with _cudnn(precision):
            assert (cudnn.benchmark, cudnn.allow_tf32) == (True, expected)
        assert (cudnn.benchmark, cudnn.allow_tf32) == before


def test_what_is_captured_copies_nothing_from_the_host(made):
    """On a device without values copies from the host show; the unfolded network makes some."""
    network = fold(load_network(made.checkpoint)).to("meta")
    frames = (torch.empty(shape, dtype=torch.uint8, device="meta") for shape in SHAPES)
    with torch.inference_mode(), HostTensors() as seen:
        fuse_frames(network, *frames)
    assert seen.calls > 100 and not seen.on_host
