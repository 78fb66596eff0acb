"""A tiny run from recipe to weights, and the command line around it."""

import math
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils._python_dispatch import TorchDispatchMode

from ship_deploy.checkpoint import read_checkpoint
from ship_deploy.errors import UserError
from training import networks
from training.checkpoints import load_network, training_configs
from training.claim import claimed
from training.config import Augmentation, Loss, Optimiser, load_config
from training.crops import Batches, Crops
from training.fusion import Fusion, Step, learning_rate_share
from training.loop import train
from training.losses import fusion_losses
from training.saliency import mask

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def step_of(weights: Path) -> str:
    with safe_open(weights, "pt") as file:
        return file.metadata()["step"]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_learns_and_leaves_weights_that_load(pairs, recipe, precision):
    losses = []
    for iterations in (1, 30):
        optimiser = {"iterations": iterations, "precision": precision}
        weights = train(recipe(run={"name": str(iterations)}, optimiser=optimiser))
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


def test_a_step_compares_with_what_is_shown_and_fuses_what_is_seen():
    """Every plane of a batch reaches what it is for."""
    torch.manual_seed(0)
    batch = torch.randint(256, (2, 6, 32, 32), dtype=torch.uint8)
    batch[:, 5] = 0
    batch[:, 5, 8:16, 8:16] = 1
    batch[:, 0, 8:16, 8:16] = 255  # a target that the network does not see
    visible, infrared, saliency, *seen = (batch[:, :5].float() / 255).split(1, dim=1)
    weights = Loss(mask=1, targets=1)

    class Mixed(torch.nn.Module):
        def forward(self, one, other):
            assert torch.equal(one, seen[0]) and torch.equal(other, seen[1])
            return None, 0.3 * one + 0.9 * other

    step = Step(Mixed(), weights)
    raw = 0.3 * seen[0] + 0.9 * seen[1]
    wanted = fusion_losses(raw, visible, infrared, saliency, batch[:, 5:], weights)
    assert torch.equal(step(batch), torch.stack(list(wanted.values())))
    assert step.names == list(wanted) == ["mask", "intensity", "gradient", "targets"]
    assert wanted["targets"] > 0


class HostConstants(TorchDispatchMode):
    """Tensors that are made of numbers of Python's; on a GPU, each is a copy from the host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.lift_fresh.default:
            self.found.append(traceback.format_stack(limit=4)[0])
        return function(*args, **(kwargs or {}))


def test_host_constants_are_seen():
    with HostConstants() as constants:
        torch.zeros(3)[[0, 2]]
        torch.tensor([1.0])
    assert len(constants.found) == 2


@pytest.mark.parametrize("name", networks.names())
def test_no_step_copies_from_the_host_so_a_cuda_graph_can_hold_it(name):
    terms = {key: 1.0 for key, field in Loss.model_fields.items() if field.annotation is not bool}
    terms = {key: 1.0 for key in terms if not key.endswith("_form")}
    step = Step(networks.find(name).module(), Loss(**terms))
    batch = torch.randint(256, (2, 6, 64, 64), generator=torch.Generator().manual_seed(0))
    with HostConstants() as constants:
        step(batch.to(torch.uint8)).sum().backward()
    assert constants.found == []


def test_a_run_is_repeatable(recipe):
    first, second = (load_network(train(recipe(run={"name": name}))).state_dict() for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_starts_from_given_weights(recipe, tmp_path):
    first = train(recipe(run={"name": "first"}))
    optimiser = {"iterations": 1, "learning_rate": 1e-6}
    goes_on = load_network(
        train(recipe(run={"name": "second", "weights": first}, optimiser=optimiser))
    )
    for key, tensor in load_network(first).state_dict().items():
        assert torch.allclose(goes_on.state_dict()[key], tensor, atol=1e-5), key
    stages = training_configs(first.parents[1] / "second" / "ema.safetensors")
    assert [stage["run"]["name"] for stage in stages] == ["first", "second"]
    with pytest.raises(UserError, match=r"run.weights: .* has .*'channels': 4.* the config SHIP"):
        train(recipe(run={"name": "third", "weights": first}, network={"channels": 8}))
    with pytest.raises(UserError, match="no such checkpoint"):
        train(recipe(run={"name": "third", "weights": tmp_path / "missing.safetensors"}))
    assert not (first.parents[1] / "third").exists()


def test_augmentation_and_the_seed_reach_the_run(recipe):
    plain, augmented, other = (
        load_network(train(recipe(run={"name": name, "seed": seed}, augmentation=changes)))
        for name, seed, changes in (("a", 0, {}), ("b", 0, {"noise": 20}), ("c", 1, {}))
    )
    assert not torch.equal(plain.output.weight, augmented.output.weight)
    assert not torch.equal(plain.output.weight, other.output.weight)


def test_the_average_is_kept_apart_from_the_weights_in_training(recipe):
    folder = train(recipe()).parent
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    average, current = checkpoint["state_dict"], checkpoint["current_model_state"]
    exported = load_network(folder / "ema.safetensors").state_dict()
    for key, tensor in exported.items():
        assert torch.equal(tensor, average[f"network.{key}"]), key
    assert not torch.equal(exported["output.weight"], current["network.output.weight"])
    for name in ("permutation", "sign"):  # fixed signs and ones, which no averaging may touch
        assert exported[f"merge.mixing.{name}"].abs().unique().tolist() in ([0, 1], [1])


def test_gradients_are_clipped_together(recipe):
    fusion = Fusion(recipe(optimiser={"clip": 0.5}))
    fusion.log = lambda *_: None
    for parameter in fusion.parameters():
        parameter.grad = torch.ones_like(parameter)
    fusion.configure_gradient_clipping(None, None, None)
    squares = [parameter.grad.square().sum() for parameter in fusion.parameters()]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(0.5, rel=1e-4)


def test_fp16_trains_with_finite_gradients(recipe):
    """What 16-mixed does on a GPU, but for the scaling; the CPU knows the type, too."""
    torch.manual_seed(0)
    fusion = Fusion(recipe())
    fusion.log = fusion.log_dict = lambda *_, **__: None
    batch = torch.randint(0, 256, (2, 5, 32, 32), dtype=torch.uint8)
    losses = []
    for enabled in (False, True):
        fusion.zero_grad()
        with torch.autocast("cpu", torch.float16, enabled=enabled):
            loss = fusion.training_step(batch, 0)
        (loss * 256).backward()
        assert all(parameter.grad.isfinite().all() for parameter in fusion.parameters())
        losses.append(loss.item())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


def test_the_compiled_network_is_an_option(recipe):
    assert Fusion(recipe(run={"compile": True})).network._compiled_call_impl is not None
    assert Fusion(recipe()).network._compiled_call_impl is None


def test_denormals_are_flushed(recipe):
    tiny = torch.tensor([1e-38])
    assert (tiny / 1000).item() > 0
    train(recipe(optimiser={"iterations": 1}))
    assert (tiny / 1000).item() == 0


def test_loss_pace_and_learning_rate_are_logged(recipe):
    folder = train(recipe(optimiser={"iterations": 20})).parent
    events = EventAccumulator(str(folder)).Reload()
    wanted = {"loss", "loss/mask", "loss/intensity", "loss/gradient", "images/s", "lr-Adam"}
    assert wanted <= set(events.Tags()["scalars"])
    assert all(event.value > 0 for event in events.Scalars("images/s"))


def test_the_bar_shows_loss_pace_and_time_left(recipe, capsys):
    train(recipe(optimiser={"iterations": 12}))
    resumed = recipe(run={"resume": True}, optimiser={"iterations": 30})
    before = capsys.readouterr().out
    assert "12/12" in before and "loss=" in before and "images/s=" in before
    train(resumed)
    shown = capsys.readouterr().out
    assert "20/30 [" in shown and "30/30 [" in shown
    assert "12/12" not in shown and "2/30" not in shown.replace("12/30", "")


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    settings = Optimiser(iterations=110, warmup=10, final=0.1)
    share = [learning_rate_share(step, settings) for step in range(112)]
    assert share[0] == pytest.approx(0.1)
    assert share[9] == share[10] == 1
    assert share[60] == pytest.approx(0.55)
    assert share[110] == share[111] == pytest.approx(0.1)
    assert share[10:111] == sorted(share[10:111], reverse=True)


def test_the_published_schedule_takes_a_quarter_off_at_every_milestone():
    published = load_config(
        Path("configs/published.yaml"), ["data.folders=[{path: anywhere}]"]
    ).optimiser
    at = {
        step: learning_rate_share(step, published) for step in (0, 14_999, 15_000, 25_000, 99_999)
    }
    assert at == {0: 1, 14_999: 1, 15_000: 0.75, 25_000: 0.75**2, 99_999: 0.75**2}
    assert published.clip is None and published.average == 0


def test_a_run_is_never_overwritten_by_mistake(recipe):
    weights = train(recipe())
    before = weights.read_bytes()
    with pytest.raises(UserError, match=r"holds a run; go on with run\.resume=true"):
        train(recipe())
    assert weights.read_bytes() == before


def refuse(config, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        train(config)
    assert "\n" not in str(raised.value)
    assert not config.run.folder.joinpath(config.run.name).exists()


def test_nothing_to_resume_is_a_user_error(recipe):
    refuse(recipe(run={"resume": True}), "nothing to resume")


def test_a_missing_folder_stops_a_run_before_any_work(recipe, tmp_path):
    missing = tmp_path / "none"
    refuse(recipe(data={"folders": [{"path": missing}]}), "data.folders: .*none: no such folder")
    refuse(recipe(validation={"folders": [missing]}), "validation.folders: .*none: no such folder")


def test_a_machine_that_cannot_do_what_is_asked_is_named(recipe, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    refuse(recipe(run={"accelerator": "gpu", "devices": 2}), "run.devices: 2, .* 1 GPUs")
    refuse(recipe(optimiser={"precision": "16-mixed"}), "optimiser.precision: 16-mixed needs a GPU")
    monkeypatch.setenv("WORLD_SIZE", "2")
    refuse(recipe(), r"run.devices \* run.nodes: 1, but 2 processes were started")


def start(*arguments: object, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def command(*arguments: object, folder: Path) -> tuple[int, str, str]:
    process = start(*arguments, folder=folder)
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


def test_command_line_trains(recipe, pairs, tmp_path):
    judged = {"folders": [pairs], "metrics": ["SD"]}
    config = recipe(run={"folder": "runs"}, validation=judged)
    (tmp_path / "tiny.yaml").write_text(config.model_dump_json())  # JSON is YAML
    code, stdout, stderr = command("tiny.yaml", "optimiser.iterations=2", folder=tmp_path)
    assert code == 0, stderr
    assert stdout.splitlines()[-1] == "runs/tiny/ema.safetensors"
    export = "next: python -m export runs/tiny/ema.safetensors -o models --name tiny"
    assert export in stderr.splitlines()
    checkpoint = read_checkpoint(tmp_path / "runs" / "tiny" / "ema.safetensors")
    assert checkpoint.metadata["training_config"]["optimiser"]["iterations"] == 2
    [data] = checkpoint.metadata["data"].values()
    assert data["pairs"] == 2 and len(data["sha256"]) == 64
    assert (
        checkpoint.metadata["validation"]["step"] == 2 and "SD" in checkpoint.metadata["validation"]
    )
    assert step_of(tmp_path / "runs" / "tiny" / "ema.safetensors") == "2"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_step_at_hand(recipe, tmp_path, number, code):
    never = {"folder": "runs", "save_every": 1_000_000}
    config = recipe(run=never, optimiser={"iterations": 1_000_000})
    (tmp_path / "tiny.yaml").write_text(config.model_dump_json())
    process, run = start("tiny.yaml", folder=tmp_path), tmp_path / "runs" / "tiny"
    while not (run / "config.yaml").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)  # some steps
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "interrupted; what was finished is kept" in stderr
    assert "runs/tiny: saved after step" in stderr
    assert "Traceback" not in stderr
    step = torch.load(run / "last.ckpt", weights_only=True)["global_step"]
    assert step_of(run / "ema.safetensors") == str(step)
    assert {path.name.partition(".")[0] for path in run.iterdir()} == {
        *("config", "ema", "last", "events")
    }
    again = recipe(run=never | {"folder": tmp_path / "runs", "resume": True})
    assert train(again).parent == run


def test_two_runs_into_one_folder_are_one_line(recipe, tmp_path):
    config = recipe(run={"folder": "runs"}, optimiser={"iterations": 1_000_000})
    (tmp_path / "tiny.yaml").write_text(config.model_dump_json())
    first, run = start("tiny.yaml", folder=tmp_path), tmp_path / "runs" / "tiny"
    while not (run / "run.lock").exists() and first.poll() is None:
        time.sleep(0.05)
    code, _, stderr = command("tiny.yaml", folder=tmp_path)
    first.kill()
    first.communicate(timeout=60)
    assert code == 1
    [line] = stderr.splitlines()
    assert re.search(rf"error: runs/tiny: process {first.pid} on .* is training there", line)
    with claimed(run):  # the one that was killed has let go of it
        assert (run / "run.lock").exists()
    assert not (run / "run.lock").exists()


def test_a_folder_is_left_as_it_was_if_nothing_began(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "runs" / "a"):
        raise ZeroDivisionError
    assert not (tmp_path / "runs" / "a").exists()


def spoil(monkeypatch, step: int, what) -> None:
    """Let `what` become of the terms of the loss in one step, counted from 1."""
    forward, count = Step.forward, iter(range(1, 1000))

    def spoilt(self, batch):
        terms = forward(self, batch)
        return what(terms) if next(count) == step else terms

    monkeypatch.setattr(Step, "forward", spoilt)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda terms: terms * torch.tensor([1, math.nan, 1]), "loss.intensity is nan, the grad"),
        (lambda terms: terms + torch.tensor([math.inf, 0, 0]), "loss.mask is inf; its batch"),
        (lambda terms: terms + (terms - terms.detach()).sqrt(), "step 4: the gradient is "),
    ],
    ids=["nan", "infinite", "gradient"],
)
def test_a_loss_that_is_not_finite_stops_the_run(recipe, pairs, tmp_path, monkeypatch, what, said):
    train(recipe(run={"name": "sound"}, optimiser={"iterations": 3, "final": 1}))
    spoil(monkeypatch, 4, what)
    with pytest.raises(UserError) as raised:
        train(recipe(optimiser={"iterations": 9, "final": 1}, run={"save_every": 2}))
    message = str(raised.value)
    assert message.startswith("step 4: ") and said in message and "\n" not in message
    assert f"its batch is of {pairs / 'a'}" in message or f"{pairs / 'b'}" in message
    assert f"{tmp_path / 'tiny'} keeps the last finite state" in message
    state = torch.load(tmp_path / "tiny" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 3
    sound = load_network(tmp_path / "sound" / "ema.safetensors").state_dict()
    for key, tensor in load_network(tmp_path / "tiny" / "ema.safetensors").state_dict().items():
        assert torch.equal(tensor, sound[key]), key


def test_a_first_step_that_is_not_finite_keeps_nothing(recipe, tmp_path, monkeypatch):
    spoil(monkeypatch, 1, lambda terms: terms * math.nan)
    with pytest.raises(UserError, match=r"step 1: .* nothing was saved yet"):
        train(recipe())
    assert not (tmp_path / "tiny" / "last.ckpt").exists()


def test_weights_that_are_not_finite_are_never_saved(recipe, tmp_path):
    run = {"save_every": 1}
    rate = {"learning_rate": 1e39, "clip": None}  # beyond what FP32 holds
    with pytest.raises(UserError, match=r"step 1: weights that are not finite"):
        train(recipe(run=run, optimiser=rate))
    assert not (tmp_path / "tiny" / "last.ckpt").exists()


def test_the_pictures_of_a_batch_are_those_that_were_cropped(recipe, pairs):
    data = recipe(data={"batch": 1}).data
    crops = Crops(data, Augmentation(), 3)
    batches = Batches(crops, data)
    seen = set()
    for step in range(20):
        [name] = batches.pictures(step)
        seen.add(name)
        image = cv2.imread(f"{pairs}/visible/{Path(name).name}.png", 0)
        values, counts = np.unique(crops[step, 0][0].numpy(), return_counts=True)
        whole = dict(zip(*np.unique(image, return_counts=True), strict=True))
        assert all(whole.get(v, 0) >= n for v, n in zip(values, counts, strict=True))
    assert seen == {str(pairs / "a"), str(pairs / "b")}


def test_a_worker_that_dies_is_a_sentence(recipe, monkeypatch):
    def die(self, place):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Crops, "__getitem__", die)
    with pytest.raises(UserError, match=r"data\.workers: a process that crops was killed"):
        train(recipe(data={"workers": 1}))


def test_a_run_leaves_its_config_and_no_empty_file(recipe):
    config = recipe()
    folder = train(config).parent
    names = {path.name.partition(".")[0] for path in folder.iterdir()}
    assert names == {"config", "ema", "last", "events"}
    assert all(path.stat().st_size for path in folder.iterdir())
    assert load_config(folder / "config.yaml") == config


def test_command_line_writes_masks(pairs, tmp_path):
    code, _, stderr = command("saliency", pairs / "visible", "-o", "masks/new", folder=tmp_path)
    assert code == 0, stderr
    written = sorted((tmp_path / "masks" / "new").iterdir())
    assert [path.name for path in written] == ["a.png", "b.png"]
    source = cv2.imread(str(pairs / "visible" / "b.png"), 0)
    np.testing.assert_array_equal(cv2.imread(str(written[1]), -1), mask(source))


def test_masks_of_one_name_are_refused(pairs, tmp_path):
    for suffix in ("png", "bmp"):
        image = cv2.imread(str(pairs / "visible" / "a.png"), 0)
        assert cv2.imwrite(str(tmp_path / f"a.{suffix}"), image)
    code, _, stderr = command("saliency", tmp_path, "-o", tmp_path / "masks", folder=tmp_path)
    assert code == 1
    assert "two images with the same name" in stderr
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.yaml"], 1, "error: none.yaml: not a readable YAML file"),
        (["saliency", "none", "-o", "masks"], 1, "error: none: no images"),
        (["saliency", "none"], 2, "--output"),
    ],
)
def test_command_line_says_what_is_wrong(tmp_path, arguments, code, message):
    returned, _, stderr = command(*arguments, folder=tmp_path)
    assert returned == code
    assert message in stderr
    assert "Traceback" not in stderr
    assert not any(tmp_path.iterdir())
