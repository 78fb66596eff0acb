"""A network in a module of its own goes all the way, and nothing else is told of it."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from benchmarks.candidates import Candidate
from benchmarks.fidelity.measure import run
from benchmarks.models import Models
from export.models import export_models
from export.precision import Precision
from export.verify import Reference, scenes
from ship_deploy import Fuser, UserError
from ship_deploy.artifact import read_artifact
from ship_deploy.images import write_png
from training import networks
from training.checkpoints import load_network
from training.config import load_config
from training.loop import train
from training.scenes import render

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

TOY = """
import torch
from torch import nn
from training.architecture import Architecture, FusionNetwork

class Toy(FusionNetwork):
    def __init__(self, width: int = 4):
        super().__init__()
        self.config = {"width": width}
        self.widen, self.merge = nn.Conv2d(2, width, 3, padding=1), nn.Conv2d(width, 1, 1)
    def forward(self, visible_y, infrared):
        raw = self.merge(self.widen(torch.cat([visible_y, infrared], 1)).relu())
        return raw.clamp(0, 1), raw

ARCHITECTURE = Architecture(Toy)
"""
CONFIG = """
run: {{name: toy, folder: {folder}, accelerator: cpu}}
network: {{name: toy, width: 3}}
data: {{folders: [{{path: {folder}}}], crop: 16, batch: 2}}
optimiser: {{iterations: 2}}
"""


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    """A training config of the toy, which stands where networks are looked for."""
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "toy.py").write_text(TOY)
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(tmp_path / "networks")])
    importlib.invalidate_caches()
    for seed in range(2):
        for kind, frame in zip(("visible", "infrared"), render(seed, 32, 48), strict=True):
            (tmp_path / kind).mkdir(exist_ok=True)
            write_png(tmp_path / kind / f"{seed}.png", frame)
    path = tmp_path / "toy.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    yield path
    sys.modules.pop("training.networks.toy", None)


def test_from_training_to_the_runtime(config, tmp_path):
    weights = train(load_config(config))

    with safe_open(weights, "np") as file:
        about = file.metadata()
    assert (about["step"], about["network"], about["config"]) == ("2", "Toy", '{"width": 3}')
    network = load_network(weights)
    assert network.config == {"width": 3}

    (frames, _) = export_models(weights, tmp_path / "models")
    assert frames.path.name == "ema.onnx"
    metadata = read_artifact(frames.path).metadata
    assert metadata["network"] == "Toy"
    assert json.loads(metadata["fidelity"])["raw_error"] == frames.fidelity.raw_error < 1e-4

    (visible, infrared), _ = scenes([(37, 50), (64, 48)])
    fused = Fuser(frames.path, device="cpu", threads=1)(visible, infrared)
    expected = Reference(network)(visible, infrared).frames
    assert np.abs(fused.astype(int) - expected).max() <= 1

    candidates = [Candidate("onnxruntime", "cpu", p) for p in ("fp32", "fp16")]
    made = Models(weights, tmp_path / "models")
    table = run(made, candidates, [tmp_path], tmp_path / "out", made=False)
    assert "ONNX Runtime, CPU, FP32 | 2 |" in table and "passes" in table
    assert "not run: Toy has no table of the parts that stay FP32 in FP16" in table


def test_fp16_of_a_network_without_a_table_is_refused(config, tmp_path):
    weights = train(load_config(config))

    with pytest.raises(UserError, match="Toy has no table of the parts that stay FP32") as error:
        export_models(weights, tmp_path / "models", precisions=[Precision.FP32, Precision.FP16])

    assert "\n" not in str(error.value)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("network.widht=2", "unknown key network.widht; the nearest is network.width"),
        ("network.channels=2", "unknown key network.channels; the nearest is network."),
        ("network.width=wide", "network.width: input should be a valid integer"),
        ("network.name=tot", "network: unknown network tot; the nearest is toy"),
    ],
)
def test_settings_are_those_of_the_network(config, override, message):
    with pytest.raises(UserError) as error:
        load_config(config, [override])
    assert message in str(error.value)


def test_a_run_of_another_network_is_not_resumed(config):
    train(load_config(config))
    with pytest.raises(UserError, match=r"the run to resume has Toy\(\{'width': 3\}\)"):
        train(load_config(config, ["network.width=4", "run.resume=true"]))
