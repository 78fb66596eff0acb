"""What the detector is given credit for, and what it finds where it can run."""

import math

import numpy as np
import pytest

from benchmarks.targets import detector
from benchmarks.targets.boxes import Region
from benchmarks.targets.detector import Detection, detect, missing, overlap
from benchmarks.targets.detector.found import (
    BOTH,
    average_precision,
    join,
    match,
    summarise,
    tabulate,
)
from ship_deploy import UserError
from ship_deploy.images import write_png

PERSON, CAR, DOG = 0, 2, 16
TARGETS = [
    Region((10, 10, 10, 30), "person"),
    Region((50, 20, 40, 20), "vehicle"),
    Region((100, 10, 20, 30), "bicycle"),
]


def found(box: tuple[float, ...], score: float = 0.5, kind: int = PERSON) -> Detection:
    return Detection(box, score, kind)


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0, 0, 10, 10), 1), ((5, 0, 10, 10), 1 / 3), ((10, 0, 5, 5), 0), ((2, 2, 5, 4), 0.2)],
)
def test_overlap(other, expected):
    assert overlap((0, 0, 10, 10), other) == pytest.approx(expected)
    assert overlap(other, (0, 0, 10, 10)) == pytest.approx(expected)


def test_a_target_is_found_once_by_its_class_and_box():
    detections = [
        found((10, 10, 10, 28), 0.4),
        found((10, 11, 10, 30), 0.6),
        found((50, 20, 40, 20), 0.9, PERSON),  # of another class
        found((50, 20, 38, 20), 0.3, CAR),
        found((100, 10, 5, 5), 0.8),  # too small a part
        found((10, 10, 10, 30), 0.9, DOG),  # not judged
    ]
    scores, right = match(TARGETS, detections)
    assert scores == [0.6, 0.3, 0]
    assert sorted(right) == [(0.3, True), (0.4, False), (0.6, True), (0.8, False), (0.9, False)]


def test_a_rider_is_found_as_person_or_bicycle():
    for kind in (0, 1, 3):
        assert match(TARGETS[2:], [found((100, 10, 20, 30), 0.5, kind)])[0] == [0.5]
    assert match(TARGETS[2:], [found((100, 10, 20, 30), 0.5, CAR)])[0] == [0]


def test_what_both_sources_show_counts_once_by_the_surer():
    visible = [found((10, 10, 10, 30), 0.3), found((50, 20, 40, 20), 0.4, CAR)]
    infrared = [found((11, 10, 10, 30), 0.7)]
    assert join(visible, infrared) == [infrared[0], visible[1]]


def test_average_precision_by_hand():
    """Right, wrong, right of four: recall 1/4 at precision 1, 2/4 at 2/3."""
    right = [(0.5, True), (0.9, True), (0.7, False)]
    assert average_precision(right, 4) == pytest.approx(1 / 4 + 1 / 4 * 2 / 3)
    assert average_precision([], 4) == 0
    assert math.isnan(average_precision(right, 0))


def test_shares_of_what_both_sources_show():
    both = [([0.5, 0.25], [(0.5, True), (0.25, True)]), ([0.9], [(0.9, True)])]
    fused = [([0.5, 0], [(0.5, True)]), ([0.25], [(0.25, True)])]
    summary = summarise({BOTH: both, "it": fused})
    assert summary[BOTH]["score 0.2"]["found"] == 3
    assert summary["it"]["score 0.2"]["of_both"] == pytest.approx(2 / 3, abs=1e-4)
    assert summary["it"]["score 0.3"]["found"] == 1
    low, high = summary["it"]["score 0.2"]["interval"]
    assert (low, high) == (0.5, 1)  # both images the first, or both the second
    assert "| it | 2 of 3 | 67% (50% to 100%) |" in tabulate({"set": summary})


def test_without_node_it_says_so(monkeypatch):
    monkeypatch.setattr(detector.shutil, "which", lambda name: None)
    assert missing() == "the detector needs node and npm, which are not installed"


def test_what_node_says_becomes_one_line(tmp_path):
    if not (detector.HERE / "node_modules").exists() or missing():
        pytest.skip("needs the detector's packages: python -m benchmarks targets --detector")
    path = tmp_path / "a.png"
    path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a\.png: .*rror"):
        detect([path], tmp_path / "cache.jsonl")


def test_an_empty_picture_holds_nothing_and_is_looked_at_once(tmp_path, monkeypatch):
    if not (detector.HERE / "node_modules").exists() or missing():
        pytest.skip("needs the detector's packages: python -m benchmarks targets --detector")
    path, cache = tmp_path / "a.png", tmp_path / "cache.jsonl"
    write_png(path, np.full((64, 96, 3), 90, np.uint8))
    first = detect([path], cache)
    assert all(one.score < 0.3 for one in first[path])
    monkeypatch.setattr(detector.subprocess, "Popen", None)
    assert detect([path], cache) == first
