"""A tiny run from recipe to weights, stopped and resumed, and the command line around it."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open

from ship_deploy.errors import UserError
from training.checkpoints import load_network
from training.config import Config, Optimiser
from training.loop import learning_rate_share, train
from training.saliency import mask

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """Two pairs of blurred noise."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    for kind in ("visible", "infrared"):
        (folder / kind).mkdir()
        for stem in ("a", "b"):
            noise = cv2.GaussianBlur(random.random((32, 40), np.float32), (0, 0), 3)
            image = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
            assert cv2.imwrite(str(folder / kind / f"{stem}.png"), image)
    return folder


def recipe(pairs: Path, runs: Path, iterations: int = 4, resume: bool = False, **more) -> Config:
    return Config.model_validate(
        {
            "run": {"name": "tiny", "folder": runs, "save_every": 2, "resume": resume},
            "data": {"folders": [{"path": pairs}], "crop": 16, "batch": 2},
            "network": {"channels": 4, "interactions": 1, "orders": 1},
            "optimiser": {"iterations": iterations, "learning_rate": 1e-2, "average": 0.5, **more},
        }
    )


def step_of(weights: Path) -> str:
    with safe_open(weights, "pt") as file:
        return file.metadata()["step"]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_learns_and_leaves_weights_that_load(pairs, tmp_path, precision):
    losses = []
    for iterations in (1, 30):
        weights = train(recipe(pairs, tmp_path / str(iterations), iterations, precision=precision))
        assert step_of(weights) == str(iterations)
        network = load_network(weights)
        assert network.config == {"channels": 4, "interactions": 1, "orders": 1}
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        visible, infrared = (
            torch.from_numpy(cv2.imread(str(pairs / kind / "a.png"), 0))[None, None] / 255
            for kind in ("visible", "infrared")
        )
        with torch.inference_mode():
            _, raw = network(visible, infrared)
        losses.append((raw - torch.maximum(visible, infrared)).abs().mean().item())
    assert losses[1] < losses[0] / 2


def test_a_run_is_repeatable(pairs, tmp_path):
    first, second = (
        load_network(train(recipe(pairs, tmp_path / name))).state_dict() for name in "ab"
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_average_is_kept_apart_from_the_weights_in_training(pairs, tmp_path):
    folder = train(recipe(pairs, tmp_path)).parent
    checkpoint = torch.load(folder / "last.ckpt", weights_only=False)
    average, current = checkpoint["state_dict"], checkpoint["current_model_state"]
    exported = load_network(folder / "ema.safetensors").state_dict()
    for key, tensor in exported.items():
        assert torch.equal(tensor, average[f"network.{key}"]), key
    assert not torch.equal(exported["output.weight"], current["network.output.weight"])
    for name in ("permutation", "sign"):  # fixed signs and ones, which no averaging may touch
        assert exported[f"merge.mixing.{name}"].abs().unique().tolist() in ([0, 1], [1])


def test_a_run_resumes_where_it_was_saved(pairs, tmp_path):
    train(recipe(pairs, tmp_path, iterations=4))
    weights = train(recipe(pairs, tmp_path, iterations=7, resume=True))
    assert step_of(weights) == "7"
    checkpoint = torch.load(weights.with_name("last.ckpt"), weights_only=False)
    assert checkpoint["optimizer_states"][0]["state"][0]["step"] == 6


def test_a_run_is_never_overwritten_by_mistake(pairs, tmp_path):
    weights = train(recipe(pairs, tmp_path))
    before = weights.read_bytes()
    with pytest.raises(UserError, match=r"holds a run; go on with run\.resume=true"):
        train(recipe(pairs, tmp_path))
    assert weights.read_bytes() == before


def test_nothing_to_resume_is_a_user_error(pairs, tmp_path):
    with pytest.raises(UserError, match="nothing to resume"):
        train(recipe(pairs, tmp_path, resume=True))
    assert not any(tmp_path.iterdir())


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    settings = Optimiser(iterations=110, warmup=10, final=0.1)
    share = [learning_rate_share(step, settings) for step in range(112)]
    assert share[0] == pytest.approx(0.1)
    assert share[9] == share[10] == 1
    assert share[60] == pytest.approx(0.55)
    assert share[110] == share[111] == pytest.approx(0.1)
    assert share[10:111] == sorted(share[10:111], reverse=True)


def command(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "training", *map(str, arguments)]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True)


def test_command_line_trains(pairs, tmp_path):
    config = recipe(pairs, Path("runs"))
    (tmp_path / "tiny.yaml").write_text(config.model_dump_json())  # JSON is YAML
    done = command("tiny.yaml", "optimiser.iterations=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "runs/tiny/ema.safetensors"
    assert step_of(tmp_path / "runs" / "tiny" / "ema.safetensors") == "2"


def test_command_line_writes_masks(pairs, tmp_path):
    done = command("saliency", pairs / "visible", "-o", "masks/new", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    written = sorted((tmp_path / "masks" / "new").iterdir())
    assert [path.name for path in written] == ["a.png", "b.png"]
    source = cv2.imread(str(pairs / "visible" / "b.png"), 0)
    np.testing.assert_array_equal(cv2.imread(str(written[1]), -1), mask(source))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.yaml"], 1, "error: none.yaml: not a readable YAML file"),
        (["saliency", "none", "-o", "masks"], 1, "error: none: no images"),
        (["saliency", "none"], 2, "--output"),
    ],
)
def test_command_line_says_what_is_wrong(tmp_path, arguments, code, message):
    done = command(*arguments, folder=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())
