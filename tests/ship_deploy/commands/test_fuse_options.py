"""`ship-deploy fuse --opt`: a test of SHIP's authors, with a model exported from its checkpoint."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ship_deploy import UserError
from ship_deploy.commands.fuse import fuse_options
from ship_deploy.images import read_visible, write_png
from tests.ship_deploy.commands.process import check_refused, ship_deploy
from training.scenes import render


@pytest.fixture
def options(small_checkpoint: Path, small_models: Path, tmp_path: Path) -> dict:
    """A test of two data sets by the small network, whose checkpoint and model lie together."""
    for place in (small_checkpoint, small_models / "small.onnx"):
        shutil.copy(place, tmp_path)
    sets = {}
    for number in (1, 2):
        sets[f"test_{number}"] = data = {
            "name": "TNO",
            "type": "PairedFusionMaskImageDataset",
            "dataroot_gt": str(tmp_path / f"Ir{number}"),
            "dataroot_lq": str(tmp_path / f"Vis{number}"),
            "dataroot_mask": "anything",
            "io_backend": {"type": "disk"},
        }
        visible, infrared = render(number, 32, 48)
        for folder, frame in ((data["dataroot_lq"], visible), (data["dataroot_gt"], infrared)):
            Path(folder).mkdir()
            write_png(Path(folder) / "a.png", frame)
    return {
        "name": "theirs",
        "num_gpu": 0,
        "datasets": sets,
        "network_g": {"type": "highOrderInteractionFusion", "n_feat": 16},
        "path": {
            "pretrain_network_g": str(tmp_path / "small.safetensors"),
            "param_key_g": "params",
        },
        "val": {"save_img": True, "suffix": None},
    }


def write(folder: Path, options: dict) -> Path:
    path = folder / "options.yml"
    path.write_text(yaml.safe_dump(options))
    return path


def test_every_data_set_is_fused(options, fuser, tmp_path):
    result = ship_deploy("fuse", "--opt", write(tmp_path, options), cwd=tmp_path)

    assert result.returncode == 0, result.stderr
    for number in (1, 2):
        fused = read_visible(tmp_path / "results" / "theirs" / f"test_{number}" / "a.png")
        assert np.array_equal(fused, fuser(*render(number, 32, 48)))
    assert "val.suffix: null -> no counterpart" in result.stderr
    assert "num_gpu: 0 -> device=cpu" in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o, folder: (folder / "small.onnx").unlink(), "a checkpoint; in a checkout, python"),
        (
            lambda o, folder: (folder / "small.safetensors").write_bytes(b"another"),
            "small.onnx: not exported from",
        ),
        (lambda o, folder: o.pop("path"), "no path.pretrain_network_g; name a model with --model"),
        (lambda o, folder: o.pop("datasets"), "no datasets"),
        (lambda o, folder: o["datasets"]["test_1"].pop("dataroot_gt"), "no dataroot_lq and"),
        (lambda o, folder: o["network_g"].update(type="UNet"), "network_g.type: UNet: unknown"),
    ],
)
def test_what_is_missing_is_said(options, tmp_path, change, message):
    change(options, tmp_path)
    with pytest.raises(UserError, match=message) as error:
        fuse_options(write(tmp_path, options), tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["SHIP_model.pth", "small.safetensors"])
def test_a_checkpoint_says_how_it_becomes_a_model(options, tmp_path, name):
    path = tmp_path / name
    if not path.exists():
        torch.save({"params": {}}, path)
    images = tmp_path / "Vis1" / "a.png", tmp_path / "Ir1" / "a.png"
    result = ship_deploy("fuse", *images, "-o", tmp_path / "out", "--model", path)
    check_refused(result, f"python -m export {path} -o models makes models/{path.stem}.onnx of it")


def test_a_file_that_is_none(tmp_path):
    check_refused(ship_deploy("fuse", "--opt", tmp_path / "none.yml"), "not a readable YAML file")
    check_refused(ship_deploy("fuse"), "missing option --output", 2)
