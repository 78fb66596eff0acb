"""Masks for training, of what a detector says it found."""

import cv2
import numpy as np
import pytest

from benchmarks.targets import annotate
from benchmarks.targets.detector import Detection
from ship_deploy import UserError
from ship_deploy.images import write_png
from training.config import Pairs
from training.data import read_folders

PERSON, DOG = 0, 16


def frame(*boxes: tuple[int, int, int, int], level: int = 200) -> np.ndarray:
    picture = np.full((60, 80), 60, np.uint8)
    for x, y, width, height in boxes:
        picture[y : y + height, x : x + width] = level
    return picture


def found(*box: float, score: float = 0.5, kind: int = PERSON) -> Detection:
    return Detection((box[0], box[1], box[2], box[3]), score, kind)


def test_targets_are_the_pixels_that_stand_out_and_small_ones_lie_before_large_ones():
    large, small = (10, 10, 30, 30), (20, 20, 6, 8)
    visible, infrared = frame(large), frame(small)
    numbers = annotate.number(
        visible, infrared, [found(18, 18, 10, 12), found(8, 8, 34, 34, score=0.4)]
    )
    shown = np.where(frame(small) == 200, 2, np.where(frame(large) == 200, 1, 0))
    np.testing.assert_array_equal(numbers, shown)


@pytest.mark.parametrize(
    "one",
    [
        found(10, 10, 20, 30, score=0.1),
        found(10, 10, 20, 30, kind=DOG),
        found(10, 10, 3, 30),
        found(-5, -5, 200, 200),  # fills the frame: nothing is around it
        found(-20, 10, 18, 20),  # outside
    ],
)
def test_what_is_unsure_or_too_small_or_no_target_is_left_out(one):
    assert not annotate.number(frame((10, 10, 20, 30)), frame(), [one]).any()


def test_boxes_that_leave_the_frame_are_cut():
    assert annotate.number(frame((0, 0, 20, 30)), frame(), [found(-8, -4, 28, 34)]).any()


def test_masks_are_written_where_training_reads_them(tmp_path, monkeypatch):
    person = (10, 10, 20, 30)
    for kind, picture in (("visible", frame()), ("infrared", frame(person))):
        (tmp_path / kind).mkdir()
        write_png(tmp_path / kind / "a.png", picture)

    def detect(paths, cache):
        return {p: [found(*person)] if cv2.imread(str(p)).max() == 200 else [] for p in paths}

    monkeypatch.setattr(annotate, "detect", detect)
    monkeypatch.setattr(annotate, "missing", lambda: None)
    assert f"| {tmp_path} | 1 | 1 |" in annotate.run([tmp_path])
    [[pair]] = read_folders("", [Pairs(path=tmp_path)], 16)
    np.testing.assert_array_equal(pair.frames[3], frame(person) == 200)
    with pytest.raises(UserError, match=r"masks: exists already"):
        annotate.run([tmp_path])


def test_without_a_detector_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(annotate, "missing", lambda: "no node")
    with pytest.raises(UserError, match="no node"):
        annotate.run([tmp_path])
    assert not list(tmp_path.iterdir())
