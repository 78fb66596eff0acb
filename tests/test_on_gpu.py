"""What only a GPU can show; skipped where there is none."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from benchmarks.candidates import Candidate
from benchmarks.device import CHECKS
from benchmarks.loading import load
from benchmarks.models import Models
from ship_deploy import Fuser, UserError
from ship_deploy.cuda import load as load_cuda
from ship_deploy.cuda.gpu import find_gpu
from training.scenes import render

SIZES = ((64, 96), (65, 97), (64, 96))


def gpu_is_missing() -> str:
    try:
        find_gpu()
    except UserError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(gpu_is_missing()), reason=gpu_is_missing() or "a GPU")
needs_torch = pytest.mark.skipif(not torch.cuda.is_available(), reason="this torch has no CUDA")


@pytest.mark.parametrize("title", CHECKS)
def test_the_cuda_layer(title):
    CHECKS[title](load_cuda("cuda-python", 0))


@pytest.fixture(scope="module")
def on_cuda(model) -> Fuser:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA")
    return Fuser(model, device="cuda:0")


def test_onnxruntime_on_cuda_gives_the_picture_of_the_cpu(on_cuda, fuser):
    assert on_cuda.info["device"] == "cuda:0"
    for seed, size in enumerate(SIZES):
        pair = render(seed, *size)
        difference = np.abs(on_cuda(*pair).astype(int) - fuser(*pair))
        assert difference.max() <= 1 and np.mean(difference > 0) < 1e-3


def test_the_same_bits_from_threads_and_from_another_session(on_cuda, model):
    pair = render(4, 64, 96)
    expected = on_cuda(*pair)
    with ThreadPoolExecutor(4) as pool:
        for fused in pool.map(lambda _: on_cuda(*pair), range(16)):
            assert np.array_equal(fused, expected)
    assert np.array_equal(Fuser(model, device="cuda:0")(*pair), expected)


@needs_torch
@pytest.mark.parametrize("engine", ["eager", "graph"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_pytorch_as_it_is_timed(engine, precision, small_checkpoint, tmp_path, fuser):
    loaded = load(
        Candidate(engine, "cuda", precision), Models(small_checkpoint, tmp_path), (64, 96)
    )
    limit = 1 if precision == "fp32" else 4
    for seed in range(3):  # a graph is recorded for the first, and replayed for the others
        pair = render(seed, 64, 96)
        difference = np.abs(loaded.fuse(*pair).astype(int) - fuser(*pair))
        assert difference.max() <= limit
