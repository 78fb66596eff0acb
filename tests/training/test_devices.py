"""Two processes that share a batch, against one that has it to itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

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


@pytest.mark.parametrize("start", [PLAIN, TORCHRUN], ids=["config alone", "torchrun"])
def test_two_processes_train_as_one_does(recipe, pairs, tmp_path, start):
    sections = {
        # So small that Adam, whose first steps have the size of the learning rate however small the
        # gradient, does not make more of rounding than the sum does.
        "optimiser": {"iterations": 3, "learning_rate": 1e-6},
        "data": {"batch": 4, "workers": 1},
        "validation": {"folders": [pairs], "every": 2, "metrics": ["SD", "MI"]},
    }
    train(recipe(run={"name": "one"}, **sections))
    shared = recipe(run={"name": "two", "devices": 2}, **sections)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(shared.model_dump(mode="json")))
    keep_both = (  # what each process ends with, before Lightning lets go of it
        "import os, sys, torch, training.loop as loop, training.__main__ as main\n"
        "from ship_deploy import console\n"
        "end = loop.Fusion.on_train_end\n"
        "loop.Fusion.on_train_end = lambda self: torch.save(\n"
        "    self.network.state_dict(), f'rank{self.global_rank}.pt')\n"
        "console.run(main.app)\n"
    )
    (tmp_path / "observed.py").write_text(keep_both)
    done = subprocess.run(
        [*start, "observed", "recipe.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{tmp_path}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ema.safetensors") == 1, "one process speaks"
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]
    for key, tensor in ranks[0].items():
        assert torch.equal(tensor, ranks[1][key]), key
        assert tensor.isfinite().all()
    exported = load_file(tmp_path / "two" / "ema.safetensors")
    assert all(torch.equal(tensor, ranks[0][key]) for key, tensor in exported.items())
    one, two = gradients_of(tmp_path / "one"), gradients_of(tmp_path / "two")
    assert (one - two).norm() < 1e-5 * one.norm()
    lines = [(tmp_path / run / "validation.jsonl").read_text() for run in ("one", "two")]
    assert [line.count("\n") for line in lines] == [2, 2]


def test_a_batch_that_cannot_be_shared_is_refused(recipe):
    with pytest.raises(ValueError, match=r"data.batch: 3 crops cannot be shared out equally"):
        recipe(run={"devices": 2}, data={"batch": 3})
