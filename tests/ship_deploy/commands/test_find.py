"""`ship-deploy find` as a user meets it."""

import time

import pytest
from typer.testing import CliRunner

from ship_deploy.commands.app import app
from ship_deploy.errors import UserError
from ship_deploy.streams.recordings.index import Index, Part

BEGIN = 1_795_615_380.0  # 2026-11-25, 14:03 UTC


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def recording(tmp_path):
    index = Index(tmp_path / "night.jsonl")
    for number, seconds in ((0, 420.0), (420, 600.0), (3600, 600.0)):
        path = tmp_path / f"{number}.mp4"
        path.touch()
        begin = BEGIN + number
        index.end(Part(path, begin, 25.0, begin + seconds, 0), {})
    index.close()
    return tmp_path


def find(*arguments):
    return CliRunner().invoke(app, ["find", *map(str, arguments)])


@pytest.mark.parametrize("name", ["", "night.mp4", "night.jsonl"])
def test_the_file_and_the_second(recording, name):
    for moment, expected in (
        ("2026-11-25T15:05", "0.mp4\t120.000"),
        ("2026-11-25T14:05:00.500Z", "0.mp4\t120.500"),
        ("2026-11-25T15:05:00+01:00", "0.mp4\t120.000"),
        ("2026-11-25 15:10", "420.mp4\t0.000"),
    ):
        result = find(recording / name, moment)
        assert result.exit_code == 0
        assert result.stdout == f"{recording}/{expected}\n"


def test_when_nothing_was_recorded_the_nearest_is_named(recording):
    result = find(recording, "2026-11-25T15:30")
    assert isinstance(result.exception, UserError) and result.stdout == ""
    said = str(result.exception)
    assert "nothing was recorded at 2026-11-25T15:30" in said
    assert "420.mp4 ends at 2026-11-25T15:20:00+01:00" in said
    assert "3600.mp4 begins at 2026-11-25T16:03:00+01:00" in said


def test_an_hour_that_comes_twice_is_two_times(tmp_path):
    index = Index(tmp_path / "o.jsonl")
    (tmp_path / "o.mp4").touch()
    begin = 1_792_886_400.0  # 2026-10-25, 00:00 UTC; clocks are set back at 01:00 UTC
    index.end(Part(tmp_path / "o.mp4", begin, 25.0, begin + 7200, 0), {})
    index.close()
    lines = find(tmp_path, "2026-10-25T02:30").stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["1800.000", "5400.000"]


def test_what_is_no_recording_or_no_time(recording, tmp_path):
    for arguments, said in (
        ((tmp_path / "none.mp4", "2026-11-25"), "no recording"),
        ((recording, "yesterday"), "is no time"),
    ):
        assert said in str(find(*arguments).exception)
