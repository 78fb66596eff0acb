"""Two processes that share a batch, against one that has it to itself."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from training.config import Config
from training.loop import train

REPOSITORY = Path(__file__).parents[2]
PLAIN = [sys.executable, "-m"]
TORCHRUN = [
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def gradients_of(run: Path) -> torch.Tensor:
    """Adam's moving average of the gradients of all steps, in one vector."""
    [optimiser] = torch.load(run / "last.ckpt", weights_only=True)["optimizer_states"]
    return torch.cat([state["exp_avg"].flatten() for state in optimiser["state"].values()])


# Adam's first steps have the size of the learning rate however small the gradient; this one is so
# small that it does not make more of rounding than the sum does.
OPTIMISER = {"iterations": 3, "learning_rate": 1e-6}
OBSERVED = (  # what each process ends with, before Lightning lets go of it
    "import os, sys, torch, training.fusion as loop, training.__main__ as main\n"
    "from ship_deploy import console\n"
    "end = loop.Fusion.on_train_end\n"
    "loop.Fusion.on_train_end = lambda self: torch.save(\n"
    "    self.network.state_dict(), f'rank{self.global_rank}.pt')\n"
    "console.run(main.app)\n"
)


def start(folder: Path, config: Config, command: list[str]) -> subprocess.Popen[str]:
    """Train in the background, in a folder that is made for it."""
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    (folder / "observed.py").write_text(OBSERVED)
    return subprocess.Popen(
        [*command, "observed", "recipe.yaml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{folder}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_alike(one: Path, two: Path, ranks: list[Path]) -> None:
    """Both processes ended with the same weights, which one process comes to by itself."""
    first, second = (torch.load(path, weights_only=True) for path in ranks)
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key]), key
        assert tensor.isfinite().all()
    exported = load_file(two / "ema.safetensors")
    assert all(torch.equal(tensor, first[key]) for key, tensor in exported.items())
    alone, shared = gradients_of(one), gradients_of(two)
    assert (alone - shared).norm() < 1e-5 * alone.norm()
    lines = [(run / "validation.jsonl").read_text() for run in (one, two)]
    assert [line.count("\n") for line in lines] == [2, 2]


@pytest.fixture
def sections(pairs) -> dict[str, Any]:
    return {
        "optimiser": OPTIMISER,
        "data": {"batch": 4, "workers": 1},
        "validation": {"folders": [pairs], "every": 2, "metrics": ["SD", "MI"]},
    }


@pytest.mark.parametrize("command", [PLAIN, TORCHRUN], ids=["config alone", "torchrun"])
def test_two_processes_train_as_one_does(recipe, sections, tmp_path, command):
    train(recipe(run={"name": "one"}, **sections))
    shared = recipe(run={"name": "two", "devices": 2}, **sections)

    process = start(tmp_path / "host", shared, command)
    said, complaints = process.communicate(timeout=120)

    assert process.returncode == 0, complaints
    assert said.count("ema.safetensors") == 1, "one process speaks"
    ranks = [tmp_path / "host" / f"rank{rank}.pt" for rank in (0, 1)]
    check_alike(tmp_path / "one", tmp_path / "two", ranks)


def test_two_hosts_train_as_one_does(recipe, sections, tmp_path):
    """As docs/how-to/train.md says, each with a folder of its own."""
    train(recipe(run={"name": "one"}, **sections))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in (0, 1):
        place = {"name": "two", "nodes": 2, "folder": tmp_path / f"runs{rank}"}
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"),
            *("--nproc-per-node", "1", "--node-rank", f"{rank}", "--master-addr", "127.0.0.1"),
            *("--master-port", f"{port}", "-m"),
        ]
        config = recipe(run=place, **sections)
        processes.append(start(tmp_path / f"host{rank}", config, command))
    try:
        ends = [process.communicate(timeout=180) for process in processes]
    finally:
        for process in processes:
            process.kill()

    assert [process.returncode for process in processes] == [0, 0], ends
    assert sum(said.count("ema.safetensors") for said, _ in ends) == 1, "one host speaks"
    assert not list((tmp_path / "runs1").rglob("*.safetensors"))
    ranks = [tmp_path / f"host{rank}" / f"rank{rank}.pt" for rank in (0, 1)]
    check_alike(tmp_path / "one", tmp_path / "runs0" / "two", ranks)


def test_a_batch_that_cannot_be_shared_is_refused(recipe):
    with pytest.raises(ValueError, match=r"data.batch: 3 crops cannot be shared out equally"):
        recipe(run={"devices": 2}, data={"batch": 3})
