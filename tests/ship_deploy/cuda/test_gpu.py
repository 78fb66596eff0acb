"""The GPU of this machine, on a stand-in for CUDA's runtime."""

import sys
from types import SimpleNamespace

import pytest

from ship_deploy import UserError
from ship_deploy.cuda.gpu import Gpu, find_gpu


def fake_runtime(monkeypatch, status: int, count: int, name: bytes = b"A board"):
    runtime = SimpleNamespace(
        cudaError_t=SimpleNamespace(cudaErrorInsufficientDriver=35),
        cudaGetDeviceCount=lambda: (status, count),
        cudaGetDeviceProperties=lambda d: (0, SimpleNamespace(name=name, major=8, minor=6)),
        cudaDriverGetVersion=lambda: (0, 12080),
    )
    monkeypatch.setitem(sys.modules, "cuda.bindings", SimpleNamespace(runtime=runtime))


def test_a_gpu_and_its_driver(monkeypatch):
    fake_runtime(monkeypatch, 0, 2, b"NVIDIA RTX A2000\0\0")
    assert find_gpu(1) == Gpu("NVIDIA RTX A2000", "8.6", "12.8")
    with pytest.raises(UserError, match="there is no GPU 2; CUDA finds 2, numbered from 0"):
        find_gpu(2)


@pytest.mark.parametrize(
    ("status", "message"), [(35, r"no NVIDIA driver, .*\(CUDA error 35\)"), (100, "no NVIDIA GPU")]
)
def test_no_gpu(monkeypatch, status, message):
    fake_runtime(monkeypatch, status, 0)
    with pytest.raises(UserError, match=message):
        find_gpu()


def test_what_helps_is_said(monkeypatch):
    fake_runtime(monkeypatch, 807, 0)
    with pytest.raises(UserError, match=r"CUDA error 807; look at MPS, by nvidia-cuda-mps-control"):
        find_gpu()


def test_no_cuda_python(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(UserError, match=r"cuda-python is not installed: pip install '\.\["):
        find_gpu()
