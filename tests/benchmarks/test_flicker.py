"""Flicker of clips whose changes are known."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.methods import Method
from benchmarks.targets import flicker
from benchmarks.targets.flicker import Job, find_clips, measure, read_steps, still_changes
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
    found = measure(Job(clip, Method("average", "baseline"), 5))
    assert (found.clip, found.method) == ("street", "average")
    assert found.mean < 0.1
    assert 0.6 < found.still < 0.95  # not where the square comes and goes


def test_a_restless_method_is_held_still(folder, monkeypatch):
    noise = np.random.default_rng(0)

    def fuse(self, name, visible, infrared):
        return noise.integers(90, 110, infrared.shape, np.uint8)

    monkeypatch.setattr(Method, "fuse", fuse)
    (clip,) = find_clips(folder)
    job = Job(clip, Method("it", "a model"), 11)
    plain, steady = measure(job), measure(replace(job, steady=True))
    assert (plain.method, steady.method) == ("it", "it, steady")
    assert 0 < steady.mean < 0.5 * plain.mean


def test_steps_are_neighbours_spread_over_the_clip(folder):
    (clip,) = find_clips(folder)
    lefts = [
        [int(np.argmax(visible[15, :, 0] > 160)) // 4 for visible, _ in step]
        for step in read_steps(clip, 3)
    ]
    assert lefts == [[0, 1], [5, 6], [10, 11]]
    assert len(list(read_steps(clip, 100))) == 11


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


def test_the_table_gives_multiples_of_the_less_steady_source(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(flicker, "work", lambda function, jobs, _: map(function, jobs))
    table = flicker.run([folder], ["maximum", "ship-t"], tmp_path / "out", 4, 1)
    assert [line.split(" | ")[0] for line in table.splitlines()[4:]] == [
        "| visible",
        "| infrared",
        "| maximum",
        "| ship-t",
        "| ship-t, steady",
    ]
    content = {
        "steps": 4,
        "methods": dict.fromkeys(("visible", "infrared", "it"), ""),
        "clips": {
            "street": {
                "visible": {"mean": 0.1, "tail": 1.0, "still": 0.9},
                "infrared": {"mean": 0.2, "tail": 1.4, "still": 0.9},
                "it": {"mean": 0.3, "tail": 5.25, "still": 0.9},
            }
        },
        "machine": {"measured": "2026-01-01T00:00", "ship-deploy": "1"},
    }
    assert flicker.tabulate(content).splitlines()[-1] == "| it | 0.30 | 5.2 | 1.50 |"
