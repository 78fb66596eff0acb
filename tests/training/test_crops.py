"""What a step sees: where crops come from, what is done to them, and that nothing else matters."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.config import Augmentation, Data
from training.crops import Crops, Steps, numbered


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
        luminance, infrared, saliency, *network_sees, _ = data[step, 0].int()
        place = luminance + 256 * infrared
        assert place.shape == (16, 16)
        assert torch.equal(network_sees[0], luminance)
        assert torch.equal(network_sees[1], infrared)
        assert torch.equal(saliency, data.frames[0][2].int().ravel()[place.ravel()].view(16, 16))
        seen.add((int(place[0, 1] - place[0, 0]), int(place[1, 0] - place[0, 0])))
        corners.add(int(place.min()))
    steps = {(dx, dy) for dx in (1, -1) for dy in (20, -20)}
    assert seen == steps | {(dy, dx) for dx, dy in steps}
    assert corners == {20 * top + left for top in range(5) for left in range(5)}


def test_a_crop_depends_on_seed_step_and_place_alone(places):
    everything = Augmentation(
        gain=1, offset=50, noise=20, polarity=0.5, shift=2, darkness=0.5, fog=0.5, glare=0.5
    )
    first, again, other = (
        crops({"path": places}, augmentation=everything, seed=seed) for seed in (7, 7, 8)
    )
    there = [(step, place) for step in range(5) for place in range(3)]
    drawn = {where: first[where] for where in there}
    for where in reversed(there):
        assert torch.equal(again[where], drawn[where])
    assert not all(torch.equal(other[where], drawn[where]) for where in there)
    assert len({crop.numpy().tobytes() for crop in drawn.values()}) == len(there)


def test_a_shift_moves_the_infrared_frame_alone_and_both_of_its_copies(places):
    data = crops({"path": places}, augmentation=Augmentation(shift=2))
    shifts = set()
    for step in range(600):
        luminance, infrared, _, visible_seen, infrared_seen, _ = data[step, 0].int()
        assert torch.equal(luminance, visible_seen) and torch.equal(infrared, infrared_seen)
        # Rows are 20 wide and 256 not a multiple of it: where the high byte steps tells the place.
        shifts.add(bool((luminance + 256 * infrared).diff().abs().amax() > 20))
    assert shifts == {True, False}


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


def test_targets_are_cut_turned_and_numbered_with_the_frames(places):
    """The mask of target 7 is where the luminance is from 100 to 149, whatever is done to both."""
    target = np.zeros((20, 20), np.uint8)
    target.ravel()[100:150] = 7
    (places / "masks").mkdir()
    assert cv2.imwrite(str(places / "masks" / "a.png"), target)
    data = crops({"path": places})
    for step in range(50):
        luminance, infrared, *_, targets = data[step, 0].int()
        place = luminance + 256 * infrared
        assert torch.equal(targets, ((place >= 100) & (place < 150)).int())


def test_targets_and_saliency_stay_with_the_visible_frame_when_the_infrared_one_is_shifted(places):
    frame = cv2.imread(str(places / "visible" / "a.png"), cv2.IMREAD_GRAYSCALE)
    for folder, picture in (("masks", (frame > 127).astype(np.uint8)), ("saliency", frame)):
        (places / folder).mkdir()
        assert cv2.imwrite(str(places / folder / "a.png"), picture)
    data = crops({"path": places}, augmentation=Augmentation(shift=2))
    for step in range(50):
        luminance, _, saliency, *_, targets = data[step, 0].int()
        assert torch.equal(targets, (luminance > 127).int())
        assert torch.equal(saliency, luminance)


def test_the_largest_targets_are_numbered_first():
    sizes = [3, 9, 5, 1, 7, 2, 8, 6, 10, 4]
    targets = np.repeat(np.arange(11, 21, dtype=np.uint8), sizes)[None]
    found = numbered(targets)
    assert [int(np.sum(found == n)) for n in range(1, 9)] == [10, 9, 8, 7, 6, 5, 4, 3]
    assert np.sum(found == 0) == 1 + 2
    assert not numbered(np.zeros((4, 4), np.uint8)).any()
