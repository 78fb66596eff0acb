"""From frames to frames over a GPU, on a stand-in for the driver and for TensorRT."""

import gc
import importlib
import runpy
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import device
from ship_deploy import Fuser, UserError, cuda
from ship_deploy.backends.providers import GpuOptions
from ship_deploy.cuda.gpu import Gpu
from ship_deploy.images import read_visible, write_png
from tests.ship_deploy.backends import stand_in
from tests.ship_deploy.backends.bound_session import BoundSession
from tests.ship_deploy.backends.machine import BOTH, needs_pycuda
from training.scenes import render

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("check", [c for t, c in device.CHECKS.items() if "torch" not in t])
def test_the_checks_for_a_real_gpu_pass_here(check, monkeypatch):
    monkeypatch.setattr(device, "find_gpu", lambda number: Gpu("Stand-in", "8.6", "13.0"))
    check(cuda.load("cuda-python", 0))


def pairs(*sizes: tuple[int, int]):
    return [render(seed, *size) for seed, size in enumerate(sizes)]


def test_the_pictures_are_those_of_the_other_backend(gpu_fuser, fuser):
    for visible, infrared in pairs((64, 96), (64, 96), (64, 96), (48, 64), (65, 97), (64, 96)):
        assert np.array_equal(gpu_fuser(visible, infrared), fuser(visible, infrared))
    visible, infrared = render(9, 64, 96)
    grey = visible[..., 1]
    assert np.array_equal(gpu_fuser(grey, infrared), fuser(grey, infrared))
    batch = np.stack([visible] * 3), np.stack([infrared] * 3)
    assert np.array_equal(gpu_fuser(*batch), fuser(*batch))


def test_a_size_seen_again_replays_a_graph(gpu_fuser, flavour):
    before = stand_in.driver.stand_in_launches()
    for pair in pairs((64, 96), (64, 96), (64, 96), (48, 64)):
        gpu_fuser(*pair)
    captures = flavour.name == "tensorrt" and gpu_fuser.info.cuda == "cuda-python"
    assert stand_in.driver.stand_in_launches() - before == (2 if captures else 0)
    expected = "captured" if captures else "by TensorRT-RTX"
    if flavour.name == "tensorrt" and not captures:
        expected = "off (pycuda has none)"
    assert gpu_fuser.info.graphs == expected


def test_map_keeps_two_frames_under_way_and_their_order(gpu_fuser, fuser):
    frames = pairs(*[(48, 64)] * 5)
    stand_in.Runtime.engines[-1].contexts.clear()
    taken = []

    def source():
        for pair in frames:
            taken.append(pair)
            yield pair

    results = gpu_fuser.map(source())
    first = next(results)
    assert len(taken) == 2
    fused = [first, *results]

    assert len(fused) == 5
    for picture, pair in zip(fused, frames, strict=True):
        assert np.array_equal(picture, fuser(*pair))
    assert len(stand_in.Runtime.engines[-1].contexts) == 2


def test_what_is_under_way_comes_before_an_error(gpu_fuser, fuser):
    frames = pairs(*[(48, 64)] * 2)
    results = gpu_fuser.map([*frames, (frames[0][0], frames[1][1][:40])])
    for pair in frames:
        assert np.array_equal(next(results), fuser(*pair))
    with pytest.raises(UserError):
        next(results)


def test_a_map_that_is_left_gives_its_executions_back(gpu_fuser):
    frames = pairs(*[(48, 64)] * 4)
    for _ in range(3):
        results = gpu_fuser.map(iter(frames))
        next(results)
        results.close()
    assert len(stand_in.Runtime.engines[-1].contexts) == 2


def test_many_threads_share_one_fuser(gpu_fuser, fuser):
    frames = pairs((32, 40), (48, 64), (64, 96), (32, 40))
    expected = [fuser(*pair) for pair in frames]
    wrong = []

    def work(number: int) -> None:
        for _ in range(10):
            if not np.array_equal(gpu_fuser(*frames[number]), expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(stand_in.Runtime.engines[-1].contexts) <= 4


def test_all_device_memory_is_given_back(engine):
    gc.collect()
    before = stand_in.live()
    fuser = Fuser(engine)
    for pair in pairs((64, 96), (64, 96), (48, 64), (48, 64)):
        fuser(*pair)
    assert stand_in.live()[0] > before[0]
    del fuser
    gc.collect()
    assert stand_in.live() == before


@pytest.mark.parametrize("cuda_name", BOTH)
def test_where_cpu_and_gpu_share_their_memory_nothing_is_copied(engine, fuser, cuda_name):
    def fuse() -> tuple[int, int]:
        """Copies, and bytes that are held, for four frames."""
        gc.collect()
        copies, held = stand_in.driver.stand_in_copies(), stand_in.live()[0]
        gpu_fuser = Fuser(engine, cuda=cuda_name)
        for pair in pairs((64, 96), (64, 96), (64, 96), (48, 64)):
            assert np.array_equal(gpu_fuser(*pair), fuser(*pair))
        return stand_in.driver.stand_in_copies() - copies, stand_in.live()[0] - held

    copied = fuse()
    stand_in.driver.stand_in_set_integrated(1)
    assert cuda.load(cuda_name, 0).unified
    assert fuse() == (0, copied[1] - 7 * 48 * 64)
    assert copied[0] == 12


def test_too_little_memory_is_one_line_and_passes(gpu_fuser, fuser):
    small, large = pairs((32, 40), (96, 128))
    gpu_fuser(*small)
    driver = stand_in.driver
    driver.stand_in_set_limit(driver.stand_in_live_bytes() + 50_000)
    try:
        with pytest.raises(UserError, match="out of memory") as caught:
            gpu_fuser(*large)
        assert "\n" not in str(caught.value)
    finally:
        driver.stand_in_set_limit(1 << 32)
    assert np.array_equal(gpu_fuser(*large), fuser(*large))


class Array:
    """An array on the device, as a library would hand it out."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.ascontiguousarray(values) if values.base is None else values

    @property
    def __cuda_array_interface__(self) -> dict:
        return {
            "shape": self.values.shape,
            "strides": None if self.values.flags.c_contiguous else self.values.strides,
            "typestr": self.values.dtype.str,
            "data": (self.values.ctypes.data, False),
            "version": 3,
            "stream": None,
        }


Array.__module__ = "numba.cuda"


@pytest.fixture
def numba(monkeypatch):
    """The one function of Numba that is used."""
    module = SimpleNamespace(device_array=lambda shape, dtype: Array(np.zeros(shape, dtype)))
    monkeypatch.setitem(sys.modules, "numba.cuda", module)


def test_arrays_on_the_device(gpu_fuser, fuser, numba):
    for pair in pairs((64, 96), (48, 64), (64, 96)):
        fused = gpu_fuser(*map(Array, pair))
        assert isinstance(fused, Array)
        assert np.array_equal(fused.values, fuser(*pair))
        assert np.array_equal(gpu_fuser(*pair), fused.values)  # its own buffers again
    batch = [np.stack(side) for side in zip(*pairs((48, 64), (48, 64)), strict=True)]
    assert np.array_equal(gpu_fuser(*map(Array, batch)).values, fuser(*batch))


@pytest.fixture
def on_cuda(model, fuser, monkeypatch):
    """Makes Fusers that run in ONNX Runtime on a GPU."""
    compute = fuser._backend.run
    session = BoundSession(["CUDAExecutionProvider"], compute)
    real = importlib.import_module("onnxruntime")
    ort = SimpleNamespace(
        __version__=real.__version__,
        SessionOptions=real.SessionOptions,
        get_available_providers=session.get_providers,
        InferenceSession=lambda *_, **__: session,
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", ort)
    return lambda **options: Fuser(model, device="cuda", **options)


@pytest.mark.parametrize("own_stream", [False, True])
def test_arrays_on_the_device_in_onnxruntime(on_cuda, fuser, numba, own_stream):
    layer = cuda.load("cuda-python", 0)
    with layer.active():
        stream = layer.stream()
    ort_fuser = on_cuda(gpu=GpuOptions(stream=stream.handle) if own_stream else None)
    for pair in pairs((64, 96), (48, 64)):
        assert np.array_equal(ort_fuser(*map(Array, pair)).values, fuser(*pair))
    batch = [np.stack(side) for side in zip(*pairs((48, 64), (48, 64)), strict=True)]
    assert np.array_equal(ort_fuser(*map(Array, batch)).values, fuser(*batch))
    visible, infrared = render(0, 64, 96)
    with pytest.raises(UserError, match=r"shape \(64, 96, 3\) and infrared \(48, 96"):
        ort_fuser(Array(visible), Array(infrared[:48]))


def test_a_graph_has_buffers_of_its_own(on_cuda, numba):
    with pytest.raises(UserError, match="with a graph takes numpy arrays"):
        on_cuda(gpu=GpuOptions(graph=True))(*map(Array, render(0, 64, 96)))


@needs_pycuda
def test_the_example_in_a_pycuda_program(engine, fuser, tmp_path, capsys):
    pair, paths = render(0, 64, 96), [tmp_path / f"{n}.png" for n in ("v", "i", "fused")]
    for path, frame in zip(paths, pair, strict=False):
        write_png(path, frame)
    example = runpy.run_path(str(ROOT / "examples" / "pycuda_pipeline.py"))
    example["main"](str(engine), *map(str, paths))
    assert capsys.readouterr().out == "tensorrt pycuda (64, 96, 3) GPUArray\n"
    assert np.array_equal(read_visible(paths[2]), fuser(*pair))


def test_arrays_that_cannot_be_fused_on_the_device(engine, fuser, numba):
    gpu_fuser = Fuser(engine)
    visible, infrared = render(0, 64, 96)
    for frames, message in (
        ((Array(visible), infrared), "one frame is on the GPU and the other is not"),
        ((Array(visible.astype(np.float32)), Array(infrared)), "visible is float32 on the GPU"),
        ((Array(visible[:, ::2]), Array(infrared)), "visible is not contiguous"),
        ((Array(visible), Array(infrared[:48])), r"shape \(64, 96, 3\) and infrared \(48, 96"),
    ):
        with pytest.raises(UserError, match=message):
            gpu_fuser(*frames)
    with pytest.raises(UserError, match="onnxruntime on cpu takes numpy arrays"):
        fuser(Array(visible), Array(infrared))
    strange = type("Strange", (Array,), {"__module__": "strange.things"})
    with pytest.raises(UserError, match="arrays of strange are not supported"):
        gpu_fuser(strange(visible), strange(infrared))


def test_what_cannot_be(engine):
    for options, message in (
        ({"backend": "onnxruntime"}, "an engine runs in TensorRT, not by onnxruntime"),
        ({"backend": "openvino"}, "an engine runs in TensorRT, not by openvino"),
        ({"device": "cpu"}, "device is 'cpu'; TensorRT takes auto, cuda or cuda:N"),
        ({"threads": 2}, "threads is for the CPU"),
        ({"cuda": "cupy"}, "unknown cuda 'cupy', expected one of: cuda-python, pycuda"),
    ):
        with pytest.raises(UserError, match=message):
            Fuser(engine, **options)
    with pytest.raises(UserError, match="frames are 97x64, the engine takes frames of 16x16 to"):
        Fuser(engine)(*render(0, 97, 64))
