"""What ONNX Runtime is asked for on a GPU, by a stand-in that takes notes."""

import sys
from types import SimpleNamespace

import pytest

from ship_deploy import Fuser, UserError
from ship_deploy.backends.onnxruntime import preload_cuda

CUDA = "CUDAExecutionProvider"


class Notes:
    """An ONNX Runtime with CUDA, which starts where `starts` says so."""

    __version__ = "1.31.1"

    def __init__(self, starts: bool, printed: str = "") -> None:
        self.starts, self.printed = starts, printed
        self.calls: list[str] = []
        self.providers: list = []

    def get_available_providers(self):
        return [CUDA, "CPUExecutionProvider"]

    def preload_dlls(self):
        self.calls.append("preload")
        print(self.printed)

    def SessionOptions(self):  # noqa: N802
        self.entries = {}
        return SimpleNamespace(add_session_config_entry=self.entries.__setitem__)

    def InferenceSession(self, content, options, providers):  # noqa: N802
        self.calls.append("session")
        self.providers = providers
        started = [CUDA] if self.starts else []
        return SimpleNamespace(
            get_providers=lambda: [*started, "CPUExecutionProvider"], get_inputs=list
        )


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
