"""Names and boundaries of the files of a recording."""

import time
from pathlib import Path

import pytest

from ship_deploy.errors import UserError
from ship_deploy.streams.recordings.naming import (
    check_pattern,
    expand,
    index_path,
    next_boundary,
    timed,
)

MOMENT = 1_795_615_380.0  # 2026-11-25, 14:03 UTC


@pytest.fixture(params=["UTC", "Asia/Kolkata"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("pattern", "index"),
    [
        ("night.mp4", "night.jsonl"),
        ("rec/%Y-%m/cam-%H%M.mp4", "rec/cam.jsonl"),
        ("rec/%H.mp4", "rec/recording.jsonl"),
        ("100%%-%H.mp4", "100%.jsonl"),
    ],
)
def test_where_the_index_lies(pattern, index):
    assert index_path(Path(pattern)) == Path(index)
    assert index_path(timed(Path(pattern), True)) == Path(index)


def test_names_hold_the_local_time(zone):
    time_of_day = {"UTC": "140300", "Asia/Kolkata": "193300"}[zone]
    name = expand(timed(Path("a/night.mp4"), True), MOMENT)
    assert name == Path(f"a/night-20261125-{time_of_day}.mp4")
    assert expand(timed(Path("a/%H.mp4"), True), MOMENT) == Path(f"a/{time_of_day[:2]}.mp4")
    assert expand(timed(Path("50%%.mp4"), False), MOMENT) == Path("50%.mp4")


def test_segments_end_at_whole_multiples_of_the_local_time(zone):
    assert next_boundary(MOMENT, 600.0) == MOMENT + 7 * 60
    assert next_boundary(MOMENT + 7 * 60, 600.0) == MOMENT + 17 * 60
    shift = {"UTC": 0, "Asia/Kolkata": 5.5 * 3600}[zone]
    assert (next_boundary(MOMENT, 86400.0) + shift) % 86400 == 0


@pytest.mark.parametrize("name", ["100%.mp4", "%Q.mp4", "a%"])
def test_a_percent_sign_alone_is_refused(name):
    with pytest.raises(UserError, match="write %% for a percent sign"):
        check_pattern(Path(name))
