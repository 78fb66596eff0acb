"""Flicker of clips whose changes are known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.methods import Method
from benchmarks.targets import flicker
from benchmarks.targets.clips import Entering, find_clips, threes
from benchmarks.targets.flicker import Job, measure, still_changes
from ship_deploy import UserError

FLAT = np.full((48, 64), 100, np.uint8)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A clip of 12 frames: both sources still, but for a square that wanders in the visible one."""
    for kind in ("visible", "infrared"):
        (tmp_path / kind).mkdir()
        path = str(tmp_path / kind / "street.avi")
        video = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"FFV1"), 10, (64, 48))
        for number in range(12):
            frame = np.full((48, 64, 3), 100 if kind == "visible" else 60, np.uint8)
            if kind == "visible":
                frame[10:20, 4 * number : 4 * number + 8] = 220
            video.write(frame)
        video.release()
    return tmp_path


def test_changes_count_where_both_sources_are_still():
    brighter = FLAT + np.uint8(3)
    moving = FLAT.copy()
    moving[:, :32] += 40
    assert still_changes([FLAT, brighter], [FLAT, FLAT], [FLAT, FLAT]) == pytest.approx(3, abs=1e-3)
    assert still_changes([FLAT, brighter], [FLAT, brighter], [FLAT, FLAT]).size == 0
    found = still_changes([FLAT, moving], [FLAT, moving], [FLAT, FLAT])
    assert 0 < found.size < FLAT.size / 2
    assert found.max() < flicker.STILL  # the picture follows its source there


def test_a_steady_fusion_of_a_clip_does_not_flicker(folder):
    (clip,) = find_clips(folder)
    (found,) = measure(Job(clip, Method("average", "baseline"), 5))
    assert (found.clip, found.method) == ("street", "average")
    assert found.mean < 0.1
    assert 0.6 < found.still < 0.95  # not where the square comes and goes


def test_a_restless_method_is_held_still(folder, monkeypatch):
    noise = np.random.default_rng(0)

    def fuse(self, name, visible, infrared):
        return noise.integers(90, 110, infrared.shape, np.uint8)

    monkeypatch.setattr(Method, "fuse", fuse)
    (clip,) = find_clips(folder)
    plain, steady = measure(Job(clip, Method("it", "a model", Path("it.onnx")), 10))
    assert (plain.method, steady.method) == ("it", "it, steady")
    assert 0 < steady.mean < 0.5 * plain.mean


def test_both_steps_of_a_place_count_and_its_motion(folder, monkeypatch):
    """A picture that gets brighter in the third of three frames, and whose motion is made up."""
    fused = iter([FLAT, FLAT, FLAT + np.uint8(10)])
    monkeypatch.setattr(Method, "fuse", lambda self, *pair: next(fused))
    monkeypatch.setattr(flicker, "unlike", lambda own, sources: 0.25 * len(sources))
    (clip,) = find_clips(folder)
    (found,) = measure(Job(clip, Method("it", "baseline"), 1))
    assert found.mean == pytest.approx(5, abs=0.1)
    assert found.warping == pytest.approx(5, abs=0.1)  # of 0 before and 10 after
    assert found.motion == 0.5


def test_frames_in_a_row_are_spread_over_the_clip(folder):
    (clip,) = find_clips(folder)
    lefts = [
        [int(np.argmax(pair.visible[15, :, 0] > 160)) // 4 for pair in three]
        for three in threes(clip, 3)
    ]
    assert lefts == [[0, 1, 2], [4, 5, 6], [9, 10, 11]]
    assert len(list(threes(clip, 100))) == 10


@pytest.mark.parametrize("what", ["lamp", "warm"])
def test_something_comes_into_a_drawn_street_that_is_still_elsewhere(what):
    clip = Entering(what)
    empty, half, next_ = (pair for _, pair in clip.read({0, 30, 31}))
    assert [pair.visible.shape for pair in (empty, half)] == [(480, 640, 3)] * 2
    brighter = half.visible.astype(int) - empty.visible, half.infrared.astype(int) - empty.infrared
    place = slice(285, 292), slice(236, 245)
    shown = [np.abs(change[place]).mean() for change in brighter]
    assert (shown[0] > 100) == (what == "lamp")
    assert (shown[1] > 80) == (what == "warm")
    if what == "lamp":
        assert half.visible[place].mean() > 250
    else:
        assert brighter[0][place].mean() < -10  # it stands before what the lamps light
    far = slice(0, 60), slice(560, 640)
    assert 0.5 < np.abs(brighter[1][far]).mean() < 3  # noise
    assert not np.array_equal(half.infrared[far], next_.infrared[far])
    again = dict(clip.read({30}))[30]
    assert np.array_equal(again.visible, half.visible)


def test_what_cannot_be_measured_is_one_line(folder, tmp_path):
    (folder / "infrared" / "street.avi").unlink()
    with pytest.raises(UserError, match="street is only in one of"):
        find_clips(folder)
    (folder / "visible" / "street.avi").unlink()
    with pytest.raises(UserError, match="no videos"):
        find_clips(folder)
    with pytest.raises(UserError, match="flicker is of methods that fuse"):
        (folder / "visible" / "a.mp4").touch()
        (folder / "infrared" / "a.mp4").touch()
        flicker.run([folder], [f"it={folder}"], tmp_path / "out", 3, 1)
    with pytest.raises(UserError, match="a: no three frames can be read"):
        next(threes(find_clips(folder)[0], 3))


def test_the_table_gives_multiples_of_the_less_steady_source(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(flicker, "work", lambda function, jobs, _: map(function, jobs))
    table = flicker.run([folder], ["maximum", "ship-t"], tmp_path / "out", 2, 1)
    first, *drawn = table.split("### ")[1:]
    assert [line.split(" | ")[0] for line in first.splitlines()[4:-1]] == [
        "| visible",
        "| infrared",
        "| maximum",
        "| ship-t",
        "| ship-t, steady",
    ]
    assert [part.splitlines()[0] for part in (first, *drawn)] == [
        "street",
        "drawn, a lamp comes in",
        "drawn, somebody comes in",
    ]
    own = {"tail": 1.0, "still": 0.9, "warping": 0.5, "motion": 0.25}
    content = {
        "places": 4,
        "methods": dict.fromkeys(("visible", "infrared", "it"), ""),
        "clips": {
            "street": {
                "visible": {"mean": 0.1, **own},
                "infrared": {"mean": 0.2, **own},
                "it": {"mean": 0.3, **own, "tail": 5.25},
            }
        },
        "machine": {"measured": "2026-01-01T00:00", "ship-deploy": "1"},
    }
    last = flicker.tabulate(content).splitlines()[-1]
    assert last == "| it | 0.30 | 5.2 | 1.50 | 0.50 | 0.25 |"
