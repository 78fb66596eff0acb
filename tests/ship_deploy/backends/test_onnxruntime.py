"""What ONNX Runtime is asked for on a GPU, by a stand-in that takes notes."""

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ship_deploy import Fuser, UserError
from ship_deploy.artifact import Artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from ship_deploy.backends.providers import GpuOptions, preload_cuda
from ship_deploy.cuda.faults import HELP
from ship_deploy.errors import LastingError
from tests.ship_deploy.backends.bound_session import BoundSession, OrtValue

CPU = "CPUExecutionProvider"
CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
RTX = "NvTensorRTRTXExecutionProvider"


class Notes:
    """An ONNX Runtime with CUDA, which starts where `starts` says so."""

    __version__ = "1.31.1"

    OrtValue = OrtValue

    def __init__(self, starts: bool, printed: str = "") -> None:
        self.starts, self.printed = starts, printed
        self.calls: list[str] = []
        self.providers: list = []
        self.plugin: list = []  # devices of one, and what it was asked for
        self.session = None

    def get_available_providers(self):
        return [TENSORRT, CUDA, CPU]

    def preload_dlls(self):
        self.calls.append("preload")
        print(self.printed)

    def SessionOptions(self):  # noqa: N802
        self.entries = {}
        return SimpleNamespace(
            add_session_config_entry=self.entries.__setitem__,
            add_provider_for_devices=lambda devices, options: self.plugin.extend(
                [*devices, options]
            ),
        )

    def InferenceSession(self, content, options, providers, enable_fallback):  # noqa: N802
        assert enable_fallback == 0
        self.calls.append("session")
        self.providers = providers or []
        asked = [p if isinstance(p, str) else p[0] for p in self.providers] or [RTX]
        self.session = BoundSession([*(asked if self.starts else []), CPU], lambda v, i: v // 2)
        return self.session


def test_fp32_stays_fp32_and_the_same_kernels_are_chosen_every_time(model, monkeypatch, capsys):
    notes = Notes(starts=True, printed="Failed to load libcufft.so.12: no such file")
    monkeypatch.setitem(sys.modules, "onnxruntime", notes)
    info = Fuser(model, device="cuda:1").info
    ((provider, options),) = notes.providers
    assert provider == CUDA and info.device == "cuda:1"
    assert options == {
        "device_id": "1",
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    assert notes.calls == ["preload", "session"]  # in this order, or it has no effect
    assert capsys.readouterr().out == ""


def test_the_first_device_is_not_named(model, monkeypatch):
    """ONNX Runtime 1.26 to 1.31 would print a warning."""
    notes = Notes(starts=True)
    monkeypatch.setitem(sys.modules, "onnxruntime", notes)
    Fuser(model, device="cuda")
    assert notes.providers[0][1].keys() == {"use_tf32", "cudnn_conv_algo_search"}


def test_what_was_not_found_is_said_if_cuda_does_not_start(model, monkeypatch):
    notes = Notes(starts=False, printed="Failed to load libcublas.so.13: no such file")
    monkeypatch.setitem(sys.modules, "onnxruntime", notes)
    with pytest.raises(UserError, match=r"could not start CUDA on device 0 \(Failed to load lib"):
        Fuser(model, device="cuda")


def test_the_cpu_asks_for_nothing_of_cuda(model, monkeypatch):
    notes = Notes(starts=True)
    monkeypatch.setitem(sys.modules, "onnxruntime", notes)
    Fuser(model, device="cpu")
    assert notes.calls == ["session"] and notes.providers == ["CPUExecutionProvider"]
    assert notes.entries == {"session.intra_op.allow_spinning": "0"}  # a robot has other work


def test_an_old_onnxruntime_has_nothing_to_preload():
    assert preload_cuda(SimpleNamespace()) == ""


@pytest.fixture
def notes(monkeypatch):
    found = Notes(starts=True)
    monkeypatch.setitem(sys.modules, "onnxruntime", found)
    return found


EVERYTHING = GpuOptions(graph=True, stream=64, memory=1 << 30)


@pytest.mark.parametrize(
    ("backend", "provider", "expected"),
    [
        (
            "onnxruntime",
            CUDA,
            {
                "use_tf32": "0",
                "cudnn_conv_algo_search": "HEURISTIC",
                "enable_cuda_graph": "1",
                "gpu_mem_limit": "1073741824",
                "arena_extend_strategy": "kSameAsRequested",
            },
        ),
        (
            "onnxruntime-tensorrt",
            TENSORRT,
            {"trt_cuda_graph_enable": "1", "trt_max_workspace_size": "1073741824"},
        ),
    ],
)
def test_a_graph_a_stream_and_a_limit_are_asked_for(model, notes, backend, provider, expected):
    info = Fuser(model, backend=backend, device="cuda:1", gpu=EVERYTHING).info
    shared = {"device_id": "1", "has_user_compute_stream": "1", "user_compute_stream": "64"}
    assert notes.providers == [(provider, {**shared, **expected})]
    assert (info.backend, info.device, info.graphs) == (backend, "cuda:1", "captured")


def test_without_options_there_is_no_graph(model, notes):
    assert Fuser(model, device="cuda").info.graphs is None


def test_a_graph_keeps_its_buffers_and_takes_one_size(model, notes, frames):
    fuser = Fuser(model, device="cuda", gpu=GpuOptions(graph=True))
    visible, infrared = frames
    first, second = fuser(visible, infrared), fuser(visible[::-1], infrared)
    assert np.array_equal(first, visible // 2) and np.array_equal(second, visible[::-1] // 2)
    assert len(notes.session.bound) == 1 and notes.session.runs == 2
    with pytest.raises(UserError, match="the graph is for frames of 64x96, as the first one was"):
        fuser(visible[:48], infrared[:48])


@pytest.mark.parametrize(("status", "lasts"), [(700, True), (2, False)])
def test_what_cuda_says_in_onnxruntime_is_understood(model, notes, frames, status, lasts):
    fuser = Fuser(model, device="cuda", gpu=GpuOptions(graph=True))

    def fails(*_):
        raise RuntimeError(f"CUDA failure {status}: in words ; GPU=0 ; expr=cudaMemcpy()")

    notes.session.compute = fails
    with pytest.raises(UserError, match=f"failed .CUDA failure {status}: in words") as caught:
        fuser(*frames)
    assert isinstance(caught.value, LastingError) == lasts
    assert str(caught.value).endswith(HELP[status])


@pytest.mark.parametrize("backend", ["onnxruntime-tensorrt", "onnxruntime-tensorrt-rtx"])
def test_no_part_of_a_model_goes_elsewhere(model, notes, plugin, backend):
    Fuser(model, backend=backend)
    assert notes.entries["session.disable_cpu_ep_fallback"] == "1"


def test_a_provider_that_does_not_start_is_said(model, notes):
    notes.starts = False
    with pytest.raises(UserError, match="could not start Tensorrt on device 0"):
        Fuser(model, backend="onnxruntime-tensorrt")


def test_the_types_of_a_model_are_not_tensorrts_to_choose(notes):
    narrow = Artifact(None, b"", "", {"precision": "fp16"})
    with pytest.raises(UserError, match="takes fp32 only; backend tensorrt takes both"):
        OnnxRuntime(narrow, "cuda", None, "onnxruntime-tensorrt")


@pytest.fixture
def plugin(monkeypatch, notes):
    """The plugin of TensorRT-RTX, which finds a GPU once it is registered."""
    found = SimpleNamespace(get_ep_name=lambda: RTX, get_library_path=lambda: "plugin.so")
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", found)
    devices = [SimpleNamespace(ep_name=CPU)]
    notes.get_ep_devices = lambda: devices
    notes.register_execution_provider_library = lambda name, path: devices.append(
        SimpleNamespace(ep_name=name, path=path)
    )
    return devices


def test_the_plugin_of_tensorrt_rtx_is_registered_once(model, notes, plugin):
    for _ in range(2):
        Fuser(model, backend="onnxruntime-tensorrt-rtx", gpu=GpuOptions(memory=5))
    assert len(plugin) == 2
    assert notes.plugin == 2 * [plugin[1], {"nv_max_workspace_size": "5"}]
    assert notes.providers == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:1"}, "finds 1 GPUs that it supports, asked for number 1"),
        ({"device": "cpu"}, "device is 'cpu'; onnxruntime-tensorrt-rtx takes auto, cuda or"),
        ({"gpu": GpuOptions(graph=True)}, "takes no graph"),
    ],
)
def test_what_the_plugin_does_not_do(model, plugin, options, message):
    with pytest.raises(UserError, match=message):
        Fuser(model, backend="onnxruntime-tensorrt-rtx", **options)


def test_a_plugin_that_is_missing_or_does_not_load(model, notes, plugin, monkeypatch):
    def fails(name, path):
        raise RuntimeError("libcuda.so.1:\nno such file")

    notes.register_execution_provider_library = fails
    with pytest.raises(UserError, match=r"does not load \(libcuda.so.1: no such file\)"):
        Fuser(model, backend="onnxruntime-tensorrt-rtx")
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", None)
    with pytest.raises(UserError, match=r"not installed: pip install 'onnxruntime>=1\.24'"):
        Fuser(model, backend="onnxruntime-tensorrt-rtx")


def test_options_that_cannot_be_meant(model, notes, tmp_path):
    for options in ({"memory": 0}, {"memory": 1.5}, {"stream": True}, {"stream": -1}):
        with pytest.raises(UserError, match="expected a whole number from 1 up"):
            GpuOptions(**options)
    with pytest.raises(UserError, match="gpu is for a GPU"):
        Fuser(model, device="cpu", gpu=GpuOptions())
    with pytest.raises(UserError, match="gpu is for ONNX Runtime"):
        Fuser(tmp_path / "a.engine", gpu=GpuOptions())
    with pytest.raises(UserError, match="a Fuser with a stream stays in its process"):
        pickle.dumps(Fuser(model, device="cuda", gpu=GpuOptions(stream=64)))
