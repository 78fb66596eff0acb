import pytest

from benchmarks.candidates import BASELINES, FOR_FIDELITY, FOR_LATENCY, Candidate, choose
from benchmarks.loading import load, load_graphs
from ship_deploy import UserError
from training.scenes import render

FP32 = Candidate("onnxruntime", "cpu", "fp32")


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
