import os
import pickle
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from ship_deploy import Fuser, UserError
from ship_deploy.artifact import VERSION
from ship_deploy.models import CATALOGUE, WHY, find_model
from training.scenes import render

needs_bundled_model = pytest.mark.skipif(
    not find_model().exists(), reason="no bundled model in this checkout"
)


def test_colour_in_colour_out(fuser, frames):
    visible, infrared = frames
    fused = fuser(visible, infrared)
    assert (fused.shape, fused.dtype) == (visible.shape, np.uint8)


def test_grey_in_grey_out(fuser, frames):
    visible, infrared = frames
    grey = visible[..., 1]

    fused = fuser(grey, infrared)

    assert fused.shape == grey.shape
    same = fuser(np.repeat(grey[..., None], 3, axis=2), infrared)
    assert all(np.array_equal(fused, same[..., channel]) for channel in range(3))


@needs_bundled_model
@pytest.mark.parametrize("name", ["ship-s", "ship-t", "ship"])
def test_a_batch_is_its_frames_to_the_bit(name):
    """On whole networks: they round differently in a batch, which a small one does not show."""
    fuser = Fuser(name, device="cpu")
    pairs = [render(seed, 144, 192) for seed in range(3)]
    visible, infrared = (np.stack(side) for side in zip(*pairs, strict=True))

    batch = fuser(visible, infrared)

    for one, pair in zip(batch, pairs, strict=True):
        assert np.array_equal(one, fuser(*pair))


def test_any_number_of_threads_gives_the_same_bits(model, frames):
    results = [Fuser(model, device="cpu", threads=n)(*frames) for n in (1, 2, 2)]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[1], results[2])


def test_16_bits_are_stretched_by_the_given_percentiles(model, fuser, frames):
    visible, infrared = frames
    counts = infrared.astype(np.uint16) * 16 + 7000
    counts[0, :3] = 65535, 0, 16383  # dead pixels

    narrow = Fuser(model, device="cpu", percentiles=(25, 75))

    assert np.abs(fuser(visible, counts).astype(int) - fuser(visible, infrared)).mean() < 4
    assert np.abs(narrow(visible, counts).astype(int) - fuser(visible, infrared)).mean() > 4


def test_results_belong_to_the_caller(fuser, frames):
    first = fuser(*frames)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(fuser(*frames), kept)
    assert not first.any()


def test_many_threads_share_one_fuser(fuser):
    pairs = [render(seed, 32, 40) for seed in range(4)]
    expected = [fuser(*pair) for pair in pairs]
    wrong = []

    def work(number: int) -> None:
        for _ in range(10):
            if not np.array_equal(fuser(*pairs[number]), expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_info_says_what_runs(model):
    info = Fuser(model, backend="onnxruntime", device="cpu", threads=1).info
    assert (info.backend, info.device, info.threads) == ("onnxruntime", "cpu", 1)
    assert (info.precision, info.model) == ("fp32", str(model))
    assert len(info.digest) == 64
    assert info.sizes is None and set(info.versions) == {"onnxruntime", "ship-deploy"}
    with pytest.raises(FrozenInstanceError):
        info.device = "cuda"


def test_info_as_a_dictionary_is_text_without_what_is_not_known(model):
    info = Fuser(model, device="cpu", threads=1).info
    versions = {"onnxruntime": info.versions["onnxruntime"], "ship-deploy": VERSION}
    assert info.as_dict() == {
        "model": str(model),
        "precision": "fp32",
        "digest": info.digest,
        "backend": "onnxruntime",
        "device": "cpu",
        "threads": "1",
        **versions,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "tensorflow"}, "unknown backend 'tensorflow', expected auto or one of: onnx"),
        ({"device": "tpu"}, "unknown device 'tpu', expected auto, cpu, cuda or cuda:N"),
        ({"device": "cuda:x"}, "unknown device 'cuda:x'"),
        ({"threads": 0}, "threads is 0, expected a whole number"),
        ({"percentiles": (90, 10)}, "percentiles are 90 and 10, expected 0 <= lower"),
        ({"percentiles": (-1, 99)}, "percentiles are -1 and 99"),
        ({"percentiles": None}, "percentiles is None, expected two numbers"),
        ({"percentiles": (1,)}, r"percentiles is \(1,\), expected two numbers"),
        ({"percentiles": "ab"}, "percentiles is 'ab', expected two numbers"),
        ({"device": 0}, "device is 0, expected a text"),
        ({"threads": "2"}, "threads is '2', expected a whole number"),
        ({"threads": 2.0}, "threads is 2.0, expected a whole number"),
    ],
)
def test_wrong_options(model, options, message):
    with pytest.raises(UserError, match=message):
        Fuser(model, **options)


def test_no_silent_fallback_from_cuda(model):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(UserError, match=r"no CUDA: .*\[gpu\]"):
        Fuser(model, device="cuda:0")


def test_nothing_is_reported(model, tmp_path):
    """ONNX Runtime's telemetry puts the number of its sender and what it will send into HOME."""
    unset = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    code = f"from ship_deploy import Fuser; print(Fuser({str(model)!r}).info.backend)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
        env={**environment, "HOME": str(tmp_path)},
    )
    assert result.stdout == "onnxruntime\n", result.stderr
    assert list(tmp_path.rglob("*")) == []


def test_a_missing_engine_names_the_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install '\.\[cpu\]'"):
        Fuser(model)


def test_the_luminance_graph_is_refused(small_models):
    with pytest.raises(UserError, match="takes luminance, for verification"):
        Fuser(small_models / "small.luminance.onnx")


@needs_bundled_model
def test_the_bundled_model_fuses(frames):
    fused = Fuser(device="cpu")(*frames)
    assert fused.shape == (64, 96, 3)
    assert fused.std() > 5


@pytest.mark.parametrize("model", ["", ".", "/", b"x.onnx", 3])
def test_what_is_no_model(model):
    with pytest.raises(UserError, match=r"model is .*expected a name or a "):
        Fuser(model)


def test_a_fuser_is_pickled_as_what_it_was_made_of(model, frames, monkeypatch, tmp_path):
    monkeypatch.chdir(model.parent)
    fuser = Fuser(f"./{model.name}", device="cpu", threads=1, percentiles=(1, 99))
    content = pickle.dumps(fuser)
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(content)
    assert again.info == replace(fuser.info, model=str(model))
    assert np.array_equal(again(*frames), fuser(*frames))


FORKED = """
import os, sys, time
import numpy as np
from ship_deploy import Fuser
fuser = Fuser(sys.argv[1], backend=sys.argv[2], device="cpu", threads=2)
frames = np.full((64, 80, 3), 90, np.uint8), np.full((64, 80), 160, np.uint8)
expected = fuser(*frames)
children = []
for fuses in (False, True):
    if not (child := os.fork()):
        same = not fuses or np.array_equal(fuser(*frames), expected)
        sys.exit(0 if same else 3)
    children.append(child)
until = time.monotonic() + 60
codes = []
for child in children:
    while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
        time.sleep(0.01)
    if not done[0]:
        os.kill(child, 9)
    codes.append(os.waitstatus_to_exitcode(done[1]) if done[0] else "hangs")
assert np.array_equal(fuser(*frames), expected)
print(codes)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_forked_child_fuses_and_ends(model, backend):
    arguments = [sys.executable, "-c", FORKED, model, backend]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[0, 0]\n"), done.stderr


def test_a_session_on_a_gpu_is_not_opened_anew_in_a_child(model, monkeypatch, frames):
    fuser = Fuser(model, device="cpu", threads=1)
    monkeypatch.setattr(fuser._backend, "_process", -1)  # as in a child
    monkeypatch.setattr(fuser._backend, "info", replace(fuser.info, device="cuda:0"))
    with pytest.raises(UserError, match=r"made before os\.fork"):
        fuser(*frames)


def test_the_log_says_which_model_is_the_default(caplog):
    with caplog.at_level("INFO", logger="ship_deploy"):
        Fuser(device="cpu")
        Fuser("ship-t", device="cpu")
    (message,) = caplog.messages
    assert message == f"model {next(iter(CATALOGUE))}: {WHY}"


def test_a_sequence_of_grey_and_colour_keeps_their_shapes(fuser, frames):
    visible, infrared = frames
    pairs = [(visible, infrared), (visible[..., 1], infrared), (visible, infrared)]
    for fused, pair in zip(fuser.map(pairs), pairs, strict=True):
        assert np.array_equal(fused, fuser(*pair))
