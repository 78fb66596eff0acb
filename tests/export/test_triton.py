"""Model repositories for Triton; `tests/triton` checks them by its schema and on its server."""

import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from export.__main__ import app
from export.triton import write_repository
from ship_deploy import UserError
from ship_deploy.engines.passport import write_engine
from ship_deploy.models import CATALOGUE, find_model
from tests.ship_deploy.engines.test_passport import FOR_TENSORRT, RECIPE


def test_the_command_writes_all_bundled_models_and_prints_their_folders(tmp_path):
    result = CliRunner().invoke(app, ["--triton", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(tmp_path / name) for name in CATALOGUE]
    for name in CATALOGUE:
        folder = tmp_path / name
        assert sorted(p.name for p in folder.iterdir()) == ["1", "config.pbtxt"]
        assert [p.name for p in (folder / "1").iterdir()] == ["model.onnx"]
        assert (folder / "1" / "model.onnx").read_bytes() == find_model(name).read_bytes()


def test_for_the_python_backend(tmp_path):
    words = ["--triton", str(tmp_path), "ship-t", "--python", "--batch", "1", "--instances", "2"]
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 0, result.output
    (folder,) = tmp_path.iterdir()
    assert folder.name == "ship-t-python"
    assert sorted(p.name for p in (folder / "1").iterdir()) == ["model.onnx", "model.py"]
    config = (folder / "config.pbtxt").read_text()
    assert 'backend: "python"' in config and "count: 2" in config
    assert "dynamic_batching" not in config


def test_a_model_that_changed_becomes_the_next_version(tmp_path):
    mine = tmp_path / "mine.onnx"
    for name, versions in (("ship-t", "1"), ("ship-t", "1"), ("ship-s", "12"), ("ship-t", "123")):
        shutil.copy(find_model(name), mine)
        (folder,) = write_repository(tmp_path / "models", [mine])
        found = sorted(path.name for path in folder.iterdir() if path.is_dir())
        assert found == list(versions)
        newest = folder / versions[-1] / "model.onnx"
        assert newest.read_bytes() == mine.read_bytes()


def test_what_cannot_be_served(tmp_path, small_models):
    write_engine(tmp_path / "rtx.engine", b"plan", RECIPE)
    write_engine(tmp_path / "four.engine", b"plan", replace(FOR_TENSORRT))
    spaced = tmp_path / "my model.onnx"
    shutil.copy(find_model("ship-t"), spaced)
    (tmp_path / "other").mkdir()
    twin = shutil.copy(find_model("ship-t"), tmp_path / "other" / "ship-t.onnx")
    for models, settings, message in (
        (["shp"], {}, "unknown model 'shp'"),
        ([small_models / "small.luminance.onnx"], {}, "takes luminance"),
        ([tmp_path / "rtx.engine"], {}, "Triton runs TensorRT, not tensorrt-rtx"),
        ([tmp_path / "four.engine"], {"python": True}, "--python is for ONNX models"),
        ([tmp_path / "four.engine"], {"batch": 5}, "takes 1; build it with --batch"),
        ([spaced], {}, "a name that Triton cannot serve"),
        (["ship-t", twin], {}, "two models are called ship-t"),
        ([], {"batch": 0}, "--batch is 0"),
        ([], {"instances": 0}, "--instances is 0"),
    ):
        with pytest.raises(UserError, match=message):
            write_repository(tmp_path / "models", models, **settings)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--triton", "r", "-o", "models"], "export them before"),
        (["x.pth", "-o", "models", "--python"], "go with --triton"),
        (["x.pth", "y.pth", "-o", "models"], "expected one checkpoint"),
        (["-o", "models"], "expected one checkpoint"),
        (["x.pth"], "missing option --output"),
    ],
)
def test_options_that_do_not_go_together(words, message):
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
