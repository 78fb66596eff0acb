"""Runs that are killed, at any moment, and go on as if nothing had happened."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from ship_deploy.errors import UserError
from training.checkpoints import load_network, training_configs
from training.config import Config
from training.fusion import Fusion
from training.loop import train

REPOSITORY = Path(__file__).parents[2]
ITERATIONS, EVERY = 11, 3
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def long_recipe(
    recipe, name: str, workers: int, resume: bool = False, iterations: int = ITERATIONS
) -> Config:
    return recipe(
        run={"name": name, "save_every": EVERY, "resume": resume},
        data={"workers": workers},
        optimiser={"iterations": iterations, "warmup": 3},
        augmentation={"gain": 0.2, "offset": 10, "noise": 5, "polarity": 0.1},
    )


def whole_state(run: Path) -> dict[str, object]:
    """Everything a run leaves that another step would start from."""
    state = torch.load(run / "last.ckpt", weights_only=True)
    return {
        "weights": state["current_model_state"],
        "average": state["state_dict"],
        "averaging": state["averaging_state"],
        "optimiser": state["optimizer_states"],
        "schedule": state["lr_schedulers"],
        "random": state["random"],
        "step": state["global_step"],
        "exported": load_network(run / "ema.safetensors").state_dict(),
    }


def same(left: object, right: object) -> bool:
    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def train_until(moment: str, config: Config) -> None:
    """Train in this process, which is killed the n-th time that `moment`, "event n", comes."""
    os.setsid()  # its workers are to die with it
    torch.set_num_threads(1)
    event, _, number = moment.partition(" ")
    count = 0

    def fatal(function, before: bool):
        def wrapped(*arguments, **options):
            nonlocal count
            count += 1
            if count == int(number) and before:
                os.killpg(0, signal.SIGKILL)
            result = function(*arguments, **options)
            if count == int(number):
                os.killpg(0, signal.SIGKILL)
            return result

        return wrapped

    match event:
        case "forward":
            Fusion.training_step = fatal(Fusion.training_step, before=False)
        case "update":  # the weights have changed, their average has not
            torch.optim.Adam.step = fatal(torch.optim.Adam.step, before=False)
        case "write":  # a temporary file is there and not yet flushed
            os.fsync = fatal(os.fsync, before=True)
        case "rename":  # the file has its name, the folder is not yet flushed
            os.replace = fatal(os.replace, before=False)
    train(config)


def kill(moment: str, config: Config) -> None:
    """Train in a process of its own until the moment comes; `never` lets it finish."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training.loop"])  # imports take seconds, once
    process = context.Process(target=train_until, args=(moment, config))
    process.start()
    process.join(60)
    expected = 0 if moment.startswith("never") else -signal.SIGKILL
    assert process.exitcode == expected, moment


@pytest.fixture(params=[0, 2], ids=["no workers", "2 workers"])
def workers(request) -> int:
    return request.param


def test_a_run_killed_again_and_again_ends_with_the_same_bits(recipe, tmp_path, workers):
    train(long_recipe(recipe, "whole", 0))
    torch.rand(5)  # whatever the generators hold by now, a resumed run has its own state
    kill("update 5", long_recipe(recipe, "killed", workers))  # after the one saving at 3
    # Of writes, config.yaml's are the first two, and of renames the first.
    for moment, step in (
        ("forward 3", 3),  # of step 6, so that the steps after 3 go to waste a second time
        ("write 5", 3),  # into a temporary last.ckpt of step 6; ema.safetensors has its own
        ("rename 3", 6),  # last.ckpt of step 6
        ("write 3", 6),  # into a temporary ema.safetensors of step 9
        ("rename 2", 6),  # ema.safetensors of step 9, whose last.ckpt never comes
        ("update 4", 9),
    ):
        kill(moment, long_recipe(recipe, "killed", workers, resume=True))
        state = torch.load(tmp_path / "killed" / "last.ckpt", weights_only=True)
        assert state["global_step"] == step, moment
        load_network(tmp_path / "killed" / "ema.safetensors")
    kill("never 0", long_recipe(recipe, "killed", workers, resume=True))
    whole, killed = whole_state(tmp_path / "whole"), whole_state(tmp_path / "killed")
    assert whole["step"] == ITERATIONS
    for part in whole:
        assert same(whole[part], killed[part]), part
    assert not list((tmp_path / "killed").glob(".*")), "half-written files are cleared away"


def test_a_kill_from_outside_at_an_arbitrary_moment(recipe, tmp_path):
    """The same from the command line: nothing in the process knows that it will be killed."""
    train(long_recipe(recipe, "whole", 0, iterations=60))
    config = long_recipe(recipe, "killed", 2, iterations=60)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    process = subprocess.Popen(
        [sys.executable, "-m", "training", "recipe.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (tmp_path / "killed" / "last.ckpt").exists() and process.poll() is None:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    train(long_recipe(recipe, "killed", 0, resume=True, iterations=60))
    assert same(whole_state(tmp_path / "whole"), whole_state(tmp_path / "killed"))


def test_a_run_can_be_made_longer(recipe):
    train(recipe(optimiser={"iterations": 4}))
    weights = train(recipe(run={"resume": True}, optimiser={"iterations": 7}))
    state = torch.load(weights.with_name("last.ckpt"), weights_only=True)
    assert state["global_step"] == 7
    assert state["optimizer_states"][0]["state"][0]["step"] == 7


def test_a_finished_run_is_left_as_it_is(recipe):
    weights = train(recipe())
    before = weights.read_bytes(), weights.with_name("last.ckpt").read_bytes()
    assert train(recipe(run={"resume": True})) == weights
    assert (weights.read_bytes(), weights.with_name("last.ckpt").read_bytes()) == before


def test_random_states_are_restored(recipe):
    fusion = Fusion(recipe())
    checkpoint = {
        "global_step": 0,
        "lr_schedulers": [{"last_epoch": 0}],
        "optimizer_states": [{"param_groups": []}],
    }
    fusion.on_save_checkpoint(checkpoint)
    drawn = torch.rand(3)
    fusion.on_load_checkpoint(checkpoint)
    assert torch.equal(torch.rand(3), drawn)


def rate_of(run: Path) -> float:
    [optimiser] = torch.load(run / "last.ckpt", weights_only=True)["optimizer_states"]
    return optimiser["param_groups"][0]["lr"]


def test_a_changed_setting_is_applied_said_and_recorded(recipe, capsys):
    weights = train(recipe(optimiser={"iterations": 2, "final": 1}))
    changed = {"iterations": 4, "learning_rate": 1e-6, "final": 1}
    before = load_network(weights).state_dict()
    capsys.readouterr()
    train(recipe(run={"resume": True}, optimiser=changed))
    said = capsys.readouterr().err
    assert f"{weights.parent}: going on after step 2 of 4\n" in said
    assert "optimiser.learning_rate: 0.01 -> 1e-06, from here on" in said
    assert rate_of(weights.parent) == pytest.approx(1e-6)
    rates = [stage["optimiser"]["learning_rate"] for stage in training_configs(weights)]
    assert rates == [1e-2, 1e-6], "the weights came of both"
    for key, tensor in load_network(weights).state_dict().items():
        assert torch.allclose(tensor, before[key], atol=0.02), key


def test_a_schedule_goes_on_as_the_new_settings_say(recipe):
    optimiser = {"iterations": 4, "schedule": "steps", "milestones": [3], "factor": 0.5}
    weights = train(recipe(optimiser=optimiser))
    assert rate_of(weights.parent) == pytest.approx(0.5e-2)
    longer = optimiser | {"iterations": 5, "milestones": [2, 3], "learning_rate": 4e-2}
    train(recipe(run={"resume": True}, optimiser=longer))
    assert rate_of(weights.parent) == pytest.approx(1e-2)


def test_what_changes_nothing_that_is_learned_is_no_new_stage(recipe, capsys):
    weights = train(recipe())
    more = {"iterations": 6}
    train(recipe(run={"resume": True}, optimiser=more))
    train(recipe(run={"resume": True, "save_every": 3}, optimiser=more | {"iterations": 7}))
    assert "run.save_every: 2 -> 3" in capsys.readouterr().err
    train(recipe(run={"resume": True, "save_every": 4}, optimiser=more | {"iterations": 7}))
    assert len(training_configs(weights)) == 3


def test_a_finished_run_says_so_and_records_nothing(recipe, capsys):
    weights = train(recipe())
    train(recipe(run={"resume": True}, optimiser={"learning_rate": 1}))
    assert "tiny: finished, at step 4; more optimiser.iterations go on" in capsys.readouterr().err
    assert [c["optimiser"]["learning_rate"] for c in training_configs(weights)] == [1e-2]


def test_other_weights_to_start_from_are_refused(recipe):
    first = train(recipe(run={"name": "first"}))
    train(recipe())
    with pytest.raises(UserError, match=r"run\.weights: the run to resume has null, not .*first"):
        train(recipe(run={"resume": True, "weights": first}, optimiser={"iterations": 6}))


def test_another_network_cannot_go_on(recipe):
    train(recipe())
    with pytest.raises(UserError, match=r"network: the run to resume has .*'channels': 4"):
        train(recipe(run={"resume": True}, network={"channels": 6}))


def test_a_damaged_checkpoint_is_named_and_kept(recipe, tmp_path):
    train(recipe())
    last = tmp_path / "tiny" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"last\.ckpt: not a readable checkpoint") as raised:
        train(recipe(run={"resume": True}))
    assert "\n" not in str(raised.value)
    assert len(last.read_bytes()) == 1000
