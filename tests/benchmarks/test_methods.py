"""What may stand behind --methods."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.baselines import BASELINES
from benchmarks.methods import find_methods, named
from ship_deploy import UserError
from ship_deploy.images import write_png
from ship_deploy.models import find_model
from training.checkpoints import digest


def test_names_come_from_the_path_unless_they_are_given(tmp_path, monkeypatch):
    (tmp_path / "run 1.5").mkdir()
    monkeypatch.chdir(tmp_path / "run 1.5")
    assert named("models/ship.onnx") == ("ship", Path("models/ship.onnx"))
    assert named(".") == ("run 1.5", Path())
    assert named("Best one=a=b/ship.onnx") == ("Best one", Path("a=b/ship.onnx"))


@pytest.mark.parametrize("text", ["../up=x.onnx", "a/b=x.onnx", "=x.onnx", "$(ls).onnx"])
def test_names_are_fit_for_files(text):
    with pytest.raises(UserError, match="a name is"):
        named(text)


def test_all_baselines_at_once(tmp_path):
    assert [m.name for m in find_methods(["baselines"], tmp_path)] == list(BASELINES)


def test_a_model_a_checkpoint_and_a_folder(model, small_checkpoint, frames, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    visible, infrared = frames
    write_png(folder / "scene.png", visible)
    texts = [f"onnx={model}", f"weights={small_checkpoint}", str(folder)]
    methods = find_methods(texts, tmp_path / "models")
    assert [m.name for m in methods] == ["onnx", "weights", "pictures"]
    assert methods[1].source == f"small.safetensors, SHA-256 {digest(small_checkpoint)[:12]}"
    by_model, by_checkpoint, from_folder = (m.fuse("scene", visible, infrared) for m in methods)
    assert np.array_equal(by_model, by_checkpoint)
    assert by_model.shape == visible.shape
    assert np.array_equal(from_folder, visible)
    # Their identity is their content's: the export of one checkpoint is always the same file.
    assert methods[0].identity("scene") == methods[1].identity("scene")
    before = methods[2].identity("scene")
    write_png(folder / "scene.png", 255 - visible)
    assert methods[2].identity("scene") != before


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["median"], "median: neither a folder, a model"),
        (["missing.onnx"], "missing.onnx: "),
        (["missing.pth"], "missing.pth: no such checkpoint"),
        (["average", "average"], "two methods are called average"),
        (["baselines", "average"], "two methods are called average"),
    ],
)
def test_what_is_none_of_these_is_one_line(texts, message, tmp_path):
    with pytest.raises(UserError, match=message):
        find_methods(texts, tmp_path)


def test_a_picture_that_is_missing_or_of_another_size(frames, tmp_path):
    (method,) = find_methods([str(tmp_path)], tmp_path)
    with pytest.raises(UserError, match=r"scene\.\*: 0 pictures instead of one"):
        method.fuse("scene", *frames)
    write_png(tmp_path / "scene.png", frames[1][:50])
    with pytest.raises(UserError, match="96x50, but its sources are 96x64"):
        method.fuse("scene", *frames)


def test_bundled_models_by_name(tmp_path):
    own, other = find_methods(["ship-t", "mine=ship-s"], tmp_path)
    assert (own.name, own.path) == ("ship-t", find_model("ship-t"))
    assert (other.name, other.path) == ("mine", find_model("ship-s"))
