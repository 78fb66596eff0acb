"""Validation as the training goes on: what is measured, what is shown, what is written down."""

import io
import json

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ship_deploy.errors import UserError
from training.checkpoints import load_network
from training.config import Pairs
from training.data import read_folders
from training.loop import train
from training.metrics import METRICS
from training.stopping import Stopping
from training.validation import STRIP

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture
def settings(pairs) -> dict:
    return {"folders": [pairs], "every": 3, "panels": 1, "metrics": ["SD", "MI"]}


def lines_of(run) -> list[dict]:
    return [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]


def test_the_averaged_weights_are_measured_on_whole_frames(recipe, pairs, settings):
    weights = train(recipe(validation=settings, optimiser={"iterations": 7}))
    lines = lines_of(weights.parent)
    assert [line["step"] for line in lines] == [3, 6, 7]
    network, scores = load_network(weights), []
    for pair in read_folders("", [Pairs(path=pairs)], 16)[0]:
        visible, infrared = pair.frames[:2, None]
        with torch.inference_mode():
            fused = network(visible[None] / 255, infrared[None] / 255)[0][0]
        fused = (fused * 255).round().to(torch.uint8)
        scores.append([float(METRICS[name](fused, visible, infrared)) for name in ("SD", "MI")])
    assert [lines[-1][name] for name in ("SD", "MI")] == pytest.approx(np.mean(scores, axis=0))


def test_metrics_and_panels_are_in_tensorboard(recipe, pairs, settings):
    folder = train(recipe(validation=settings, optimiser={"iterations": 3})).parent
    events = EventAccumulator(str(folder)).Reload()
    assert events.Scalars("validation/SD")[0].value == pytest.approx(lines_of(folder)[0]["SD"])
    assert events.Tags()["images"] == ["validation/a"], "one panel was asked for"
    [image] = events.Images("validation/a")
    content = np.frombuffer(io.BytesIO(image.encoded_image_string).read(), np.uint8)
    panel = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    assert panel.shape == (STRIP + 32, 3 * 40)
    titles, images = np.split(panel, [STRIP])
    for place, kind in enumerate(("visible", "infrared")):
        source = cv2.imread(str(pairs / kind / "a.png"), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(images[:, 40 * place : 40 * (place + 1)], source)
    assert all(part.any() for part in np.split(titles, 3, axis=1)), "each has its title"


def test_validation_leaves_the_training_alone(recipe, settings):
    plain = load_network(train(recipe(run={"name": "plain"}))).state_dict()
    judged = train(recipe(run={"name": "judged"}, validation=settings | {"every": 1}))
    assert all(torch.equal(plain[key], t) for key, t in load_network(judged).state_dict().items())


def test_a_resumed_run_repeats_no_line(recipe, settings):
    often = settings | {"every": 1}
    folder = train(recipe(validation=often, optimiser={"iterations": 5})).parent
    first = lines_of(folder)
    (folder / "validation.jsonl").open("a").write('{"step": 6, "SD": 0}\n')  # of a run then killed
    train(recipe(validation=often, optimiser={"iterations": 6}, run={"resume": True}))
    lines = lines_of(folder)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[:5] == first
    assert lines[5]["SD"] > 0


def test_an_unknown_metric_is_named_before_any_work(recipe, settings, tmp_path):
    with pytest.raises(UserError, match="unknown metric Qab; the nearest is Qabf"):
        train(recipe(validation=settings | {"metrics": ["Qab"]}))
    assert not (tmp_path / "tiny").exists()


def test_a_metric_without_a_value_is_null(recipe, settings):
    """MS-SSIM halves a frame four times; these are too small for it."""
    folder = train(recipe(validation=settings | {"metrics": ["MS-SSIM", "SD"]})).parent
    assert [line["MS-SSIM"] for line in lines_of(folder)] == [None, None]


def test_a_word_and_a_bar_show_that_it_validates(recipe, settings, capsys):
    train(recipe(validation=settings, optimiser={"iterations": 3}))
    said = capsys.readouterr().out
    assert "Validating step 3:" in said
    assert "step 3, 2 pairs: SD " in said


def test_a_validation_that_is_told_to_stop_records_nothing(recipe, settings, monkeypatch):
    asked = iter([None, 2])  # as if Ctrl-C came after the first pair
    signals = property(lambda _: next(asked, 2), lambda *_: None)
    monkeypatch.setattr(Stopping, "asked", signals, raising=False)
    with pytest.raises(KeyboardInterrupt):
        train(recipe(validation=settings | {"every": 1}, run={"name": "stopped"}))
    folder = recipe().run.folder / "stopped"
    assert not (folder / "validation.jsonl").exists()
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 1
