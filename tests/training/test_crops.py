"""What a step sees: where crops come from, what is done to them, and that nothing else matters."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.config import Augmentation, Data
from training.crops import Crops, Steps, augment


def write_pair(folder: Path, visible: np.ndarray, infrared: np.ndarray, stem: str = "a") -> None:
    for kind, image in (("visible", visible), ("infrared", infrared)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / kind / f"{stem}.png"), image)


def crops(*folders: dict, augmentation: Augmentation | None = None, seed: int = 0) -> Crops:
    data = Data.model_validate({"folders": folders, "crop": 16})
    return Crops(data, augmentation or Augmentation(), seed)


@pytest.fixture
def places(tmp_path):
    """A pair of 20x20 whose two frames together name every pixel's place."""
    place = np.arange(20 * 20).reshape(20, 20)
    write_pair(tmp_path, (place % 256).astype(np.uint8), (place // 256).astype(np.uint8))
    return tmp_path


def test_crops_stay_aligned_and_come_in_all_places_and_orientations(places):
    data = crops({"path": places})
    seen, corners = set(), set()
    for step in range(600):
        luminance, infrared, saliency, network_sees = data[step, 0].int()
        place = luminance + 256 * infrared
        assert place.shape == (16, 16)
        assert torch.equal(network_sees, infrared)
        assert torch.equal(saliency, data.frames[0][2].int().ravel()[place.ravel()].view(16, 16))
        seen.add((int(place[0, 1] - place[0, 0]), int(place[1, 0] - place[0, 0])))
        corners.add(int(place.min()))
    steps = {(dx, dy) for dx in (1, -1) for dy in (20, -20)}
    assert seen == steps | {(dy, dx) for dx, dy in steps}
    assert corners == {20 * top + left for top in range(5) for left in range(5)}


def test_a_crop_depends_on_seed_step_and_place_alone(places):
    everything = Augmentation(gain=1, offset=50, noise=20, polarity=0.5)
    first, again, other = (
        crops({"path": places}, augmentation=everything, seed=seed) for seed in (7, 7, 8)
    )
    there = [(step, place) for step in range(5) for place in range(3)]
    drawn = {where: first[where] for where in there}
    for where in reversed(there):
        assert torch.equal(again[where], drawn[where])
    assert not all(torch.equal(other[where], drawn[where]) for where in there)
    assert len({crop.numpy().tobytes() for crop in drawn.values()}) == len(there)


def test_folders_are_drawn_by_weight_whatever_their_size(tmp_path):
    for stem in "abc":
        write_pair(tmp_path / "many", *np.zeros((2, 16, 16), np.uint8), stem=stem)
    write_pair(tmp_path / "one", *np.full((2, 16, 16), 9, np.uint8))
    data = crops({"path": tmp_path / "many"}, {"path": tmp_path / "one", "weight": 3})
    assert data.chances == pytest.approx([1 / 12, 1 / 12, 1 / 12, 3 / 4])
    share = np.mean([data[step, 0][0, 0, 0].item() == 9 for step in range(2000)])
    assert share == pytest.approx(0.75, abs=0.04)  # four standard deviations


def test_processes_share_every_batch_and_begin_where_they_are_told():
    def first(number: int, *arguments: int) -> list:
        return list(itertools.islice(Steps(*arguments), number))

    assert first(2, 5, 3) == [[(5, 0), (5, 1), (5, 2)], [(6, 0), (6, 1), (6, 2)]]
    shares = [first(3, 5, 6, process, 2) for process in (0, 1)]
    for whole, left, right in zip(first(3, 5, 6), *shares, strict=True):
        assert len(left) == len(right) == 3
        assert sorted(left + right) == whole


GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_nothing_is_augmented_by_default():
    rendered, seen = augment(GREY, Augmentation(), np.random.default_rng(0))
    assert np.array_equal(rendered, GREY) and np.array_equal(seen, GREY)


def test_gain_turns_about_mid_grey_within_its_range():
    slopes = []
    for seed in range(200):
        rendered, _ = augment(GREY, Augmentation(gain=0.5), np.random.default_rng(seed))
        levels = rendered.ravel().astype(float)
        assert abs(levels[127] - 127.5) <= 1 and abs(levels[128] - 127.5) <= 1
        slopes.append((levels[148] - levels[107]) / 41)
    assert 1 / 1.5 - 0.03 < min(slopes) < 0.7  # a grey level of rounding in 41
    assert 1.45 < max(slopes) < 1.5 + 0.03


def test_offset_shifts_every_level_alike_and_clips():
    shifts = set()
    for seed in range(200):
        rendered, _ = augment(GREY, Augmentation(offset=10), np.random.default_rng(seed))
        shift = int(rendered[8, 0]) - 128
        assert np.array_equal(rendered, np.clip(GREY.astype(int) + shift, 0, 255))
        shifts.add(shift)
    assert min(shifts) == -10 and max(shifts) == 10


def test_polarity_turns_warm_dark_as_often_as_asked():
    turned = 0
    for seed in range(1000):
        rendered, _ = augment(GREY, Augmentation(polarity=0.2), np.random.default_rng(seed))
        assert np.array_equal(rendered, GREY) or np.array_equal(rendered, 255 - GREY)
        turned += np.array_equal(rendered, 255 - GREY)
    assert turned / 1000 == pytest.approx(0.2, abs=0.05)  # four standard deviations


def test_noise_is_seen_by_the_network_and_not_by_the_losses():
    flat, sigmas = np.full((64, 64), 100, np.uint8), []
    for seed in range(100):
        rendered, seen = augment(flat, Augmentation(noise=8), np.random.default_rng(seed))
        assert np.array_equal(rendered, flat)
        assert abs(seen.mean() - 100) < 0.6
        sigmas.append(seen.std())
    assert min(sigmas) < 0.5 and 7.5 < max(sigmas) < 8.5
