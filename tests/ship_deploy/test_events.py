"""What is kept of the last minute, and when it is written."""

import json
import logging
import os
import signal
import threading
import time

import pytest

from ship_deploy import events
from ship_deploy.errors import UserError
from ship_deploy.events import FlightRecorder, JsonLines

log = logging.getLogger("ship_deploy.streams")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setattr(events.tempfile, "tempdir", str(tmp_path))


def written(folder):
    """The lines of the only file."""
    (path,) = folder.glob("ship-deploy-*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def messages(lines):
    return [line["message"] for line in lines if "message" in line]


def test_a_line_has_what_programs_need():
    record = logging.makeLogRecord({"name": "a.b", "levelno": 30, "levelname": "WARNING"})
    record.created, record.threadName = 1_700_000_000.25, "fuse"
    record.msg, record.args = "%s: no\nend", ("cam",)
    record.event, record.path = "source_down", os.curdir
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "2023-11-14T22:13:20.250000+00:00",
        "level": "warning",
        "logger": "a.b",
        "thread": "fuse",
        "message": "cam: no\nend",
        "event": "source_down",
        "path": ".",
    }


def test_a_line_has_the_traceback_and_takes_what_json_does_not_know():
    try:
        raise ValueError("broken")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "ended", "exc_info": (ValueError, error, None)})
    record.source = {1, 2}
    line = json.loads(JsonLines().format(record))
    assert "ValueError: broken" in line["traceback"] and line["source"] == "{1, 2}"


def test_a_signal_writes_what_happened_and_where_all_threads_are(tmp_path):
    stay, there = threading.Event(), threading.Event()

    def wait_here():
        there.set()
        stay.wait()

    thread = threading.Thread(target=wait_here, name="sleeper")
    thread.start()
    there.wait()
    with FlightRecorder():
        log.debug("dropped", extra={"event": "dropped", "index": 7})
        logging.getLogger("elsewhere").warning("not ours")
        os.kill(os.getpid(), signal.SIGUSR1)
    stay.set()
    thread.join()
    head, *lines = written(tmp_path)
    assert head["why"] == "SIGUSR1" and head["process"] == os.getpid() and "traceback" not in head
    assert messages(lines) == ["dropped"] and lines[0]["index"] == 7
    (stack,) = [line["stack"] for line in lines if line["thread"] == "sleeper"]
    assert any("in wait_here" in frame for frame in stack)


def test_only_the_last_minute_is_kept(tmp_path, monkeypatch):
    with FlightRecorder() as recorder:
        for moment in (0.0, 30.0, 60.0, 95.0):
            monkeypatch.setattr(events.time, "monotonic", lambda now=moment: now)
            log.info("at %.0f", moment)
        monkeypatch.undo()
        monkeypatch.setattr(events.tempfile, "tempdir", str(tmp_path))
        recorder.dump("test")
    assert messages(written(tmp_path)) == ["at 60", "at 95"]


def test_what_is_kept_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "MOST", 3)
    with FlightRecorder() as recorder:
        for number in range(5):
            log.info("%d", number)
        recorder.dump("test")
    assert messages(written(tmp_path)) == ["2", "3", "4"]


def test_a_bug_writes_and_a_wrong_use_does_not(tmp_path):
    with pytest.raises(UserError), FlightRecorder():
        raise UserError("wrong")
    with pytest.raises(KeyboardInterrupt), FlightRecorder():
        raise KeyboardInterrupt
    assert not [*tmp_path.iterdir()]
    with pytest.raises(ZeroDivisionError), FlightRecorder():
        log.info("before")
        1 / 0  # noqa: B018
    head, *lines = written(tmp_path)
    assert head["why"] == "crash" and "ZeroDivisionError" in head["traceback"]
    assert messages(lines) == ["before"]


def test_a_bug_in_a_thread_writes(tmp_path, caplog):
    with FlightRecorder():
        thread = threading.Thread(target=lambda: 1 / 0, name="reader")
        thread.start()
        thread.join()
    head, *lines = written(tmp_path)
    assert "ZeroDivisionError" in head["traceback"]
    assert messages(lines) == ["reader ended by a bug: ZeroDivisionError('division by zero')"]
    assert "the events of the last 60 s are in" in caplog.text


def test_a_file_that_cannot_be_written_is_a_line_of_the_log(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(events.tempfile, "tempdir", str(tmp_path / "nowhere"))
    with FlightRecorder():
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0)  # a moment in which the signal is handled
    assert "cannot write" in caplog.text


def test_afterwards_all_is_as_it_was():
    def state():
        logger = logging.getLogger("ship_deploy")
        return [
            logger.level,
            list(logger.handlers),
            threading.excepthook,
            signal.getsignal(signal.SIGUSR1),
        ]

    before = state()
    with FlightRecorder():
        assert all(now != then for now, then in zip(state(), before, strict=True))
    assert state() == before
