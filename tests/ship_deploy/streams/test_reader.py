"""Reading sources that fail: deadlines, attempts, what is left behind."""

import logging
import threading
from queue import SimpleQueue

import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.results import Frame
from ship_deploy.streams.reader import Reader
from ship_deploy.streams.worker import Worker
from tests.ship_deploy.streams.cameras import ScriptedCamera

IMAGE = np.zeros((16, 16), np.uint8)


class Sink:
    """Keeps what a reader hands in, in order."""

    def __init__(self) -> None:
        self.events: SimpleQueue = SimpleQueue()

    def receive(self, frame, moment) -> None:
        self.events.put(frame)

    def refuse(self, reason) -> None:
        self.events.put(reason)

    def lose(self) -> None:
        self.events.put("lost")

    def finish(self, error) -> None:
        self.events.put(("finished", error))

    def next(self, wanted) -> object:
        while (event := self.events.get(timeout=20)) != wanted:
            pass
        return event


class File:
    """A source that is not live: gives what it was made of, and raises what is an exception."""

    live, name, clock = False, "file", "own"

    def __init__(self, *grabbed) -> None:
        self._grabbed = iter(grabbed)

    def open(self):
        return self

    def read(self):
        found = next(self._grabbed, None)
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        pass


def read(source, **options) -> list:
    """All that comes of a source that ends."""
    sink = Sink()
    reader = Reader(source, sink, **options)
    reader.start()
    reader.join(20)
    return [sink.events.get() for _ in range(sink.events.qsize())]


def test_a_file_is_read_to_its_end_with_its_own_times():
    frames = [(IMAGE, stamp) for stamp in (0.0, 0.5, 0.4, None, 3.0)]

    *found, end = read(File(*frames))

    assert [frame.index for frame in found] == [0, 1, 2, 3, 4]
    assert [frame.time for frame in found] == [0.0, 0.5, 1.0, 1.5, 3.0]  # times always grow
    assert end == ("finished", None)


@pytest.mark.parametrize("error", [UserError("3.png: cut short"), RuntimeError("3.png: cut short")])
def test_what_is_wrong_with_a_file_is_told(error):
    first, (word, told) = read(File((IMAGE, 0.0), error))

    assert first.index == 0 and word == "finished"
    assert isinstance(told, UserError) and "3.png: cut short" in str(told)


@pytest.mark.parametrize("fault", ["cut", "raise", "stall", "only garbage"])
def test_a_camera_that_fails_is_opened_again(fault):
    camera, sink = ScriptedCamera("camera", (16, 16), [fault], stall=0.2), Sink()
    reader = Reader(camera, sink, deadlines=(5.0, 0.05), back_off=(0.001, 0.01))
    reader.start()

    sink.next("lost")
    assert sink.events.get(timeout=20).index > 0  # it goes on counting
    assert reader.connections == 2 and reader.state == "live"
    reader.stop()
    assert sink.next(("finished", None))
    camera.released.set()


def test_attempts_grow_rarer_up_to_a_bound(caplog):
    class Dead:
        live, name = True, "dead"

        def open(self):
            raise OSError("cannot be opened")

    sink = Sink()
    reader = Reader(Dead(), sink, back_off=(0.001, 0.004))
    with caplog.at_level(logging.DEBUG):
        reader.start()
        for _ in range(5):
            sink.next("lost")
        reader.stop()
        reader.join(20)

    pauses = [(record.levelname, record.args[2]) for record in caplog.records[:5]]
    assert pauses[:2] == [("WARNING", 0.001), ("WARNING", 0.002)]
    assert pauses[2:] == [("DEBUG", 0.004)] * 3  # a camera that is gone for days fills no log
    assert caplog.records[0].message.startswith("dead: cannot be opened; trying again in")


def test_attempts_are_frequent_again_after_a_frame(caplog):
    """The fourth connection gives a frame."""

    class Once:
        live, name, clock = True, "once", "own"
        opened = 0

        def open(self):
            self.opened += 1
            if self.opened != 4:
                raise OSError("cannot be opened")
            return File((IMAGE, 0.0))

    sink = Sink()
    reader = Reader(Once(), sink, back_off=(0.001, 0.064))
    with caplog.at_level(logging.WARNING):
        reader.start()
        for _ in range(6):
            sink.next("lost")
        reader.stop()
        reader.join(20)
    pauses = [record.args[2] for record in caplog.records][:6]
    assert pauses == [0.001, 0.002, 0.004, 0.001, 0.002, 0.004]


def test_a_camera_that_can_never_be_used_ends_with_a_line():
    class Wrong:
        live, name = True, "wrong"

        def open(self):
            raise UserError("wrong: has 12 bits")

    [(word, told)] = read(Wrong())
    assert word == "finished" and str(told) == "wrong: has 12 bits"


def test_calls_that_never_return_are_left_but_not_piled_up(caplog):
    camera, sink = ScriptedCamera("stuck", (16, 16), ["hang"] * 9, stall=1e6), Sink()
    before = threading.active_count()
    reader = Reader(camera, sink, deadlines=(5.0, 0.05), back_off=(0.001, 0.002))
    with caplog.at_level(logging.DEBUG):
        reader.start()
        for _ in range(6):
            sink.next("lost")

    assert camera.happened["hang"] == 2  # then it waits for one of them to come back
    assert threading.active_count() - before == 3
    assert "2 calls to the camera do not return" in caplog.text
    camera.script.clear()
    camera.released.set()
    while not isinstance(sink.events.get(timeout=20), Frame):
        pass  # it heals once they have come back
    reader.stop()
    reader.join(20)
    for worker in reader._left:
        worker._thread.join(20)
    assert camera.open_captures == 0  # what was left has been closed


def test_stopping_does_not_wait_for_a_call():
    entered, forever = threading.Event(), threading.Event()

    class Stuck:
        live, name = True, "stuck"

        def open(self):
            entered.set()
            forever.wait()

    reader = Reader(Stuck(), Sink(), deadlines=(1e6, 1e6))
    reader.start()
    entered.wait(20)
    reader.stop()
    reader._thread.join(20)

    assert not reader._thread.is_alive() and not forever.is_set()
    forever.set()


def test_a_call_gives_what_the_function_gives():
    worker = Worker("test")

    assert worker.call(lambda: 3, 20) == 3
    with pytest.raises(KeyError):
        worker.call(lambda: {}["x"], 20)
    done = threading.Event()
    worker.leave(done.set)
    assert done.wait(20)
    worker._thread.join(20)
    assert not worker.alive


def test_a_late_answer_is_not_taken_for_another():
    worker, go = Worker("test"), threading.Event()
    with pytest.raises(TimeoutError):
        worker.call(go.wait, 0.01)
    closed = threading.Event()
    worker.leave(closed.set)
    assert not closed.is_set()
    go.set()
    assert closed.wait(20)


class Camera(File):
    """The same, live; it gives the same whenever it is opened."""

    live = True

    def __init__(self, *grabbed) -> None:
        self._all, self.opened = grabbed, 0

    def open(self):
        self.opened += 1
        self._grabbed = iter(self._all)
        return self


def test_what_memory_refuses_once_costs_one_frame():
    source = Camera((IMAGE, None), MemoryError(), (IMAGE, None), (IMAGE, None))
    sink = Sink()
    reader = Reader(source, sink, back_off=(0.001, 0.001))
    reader.start()
    sink.next("unreadable")
    frame = sink.events.get(timeout=20)
    assert isinstance(frame, Frame) and frame.index == 2
    reader.stop()
    reader.join(20)


def test_what_is_refused_twice_in_a_row_is_opened_again():
    source = Camera((IMAGE, None), MemoryError(), MemoryError(), (IMAGE, None))
    sink = Sink()
    reader = Reader(source, sink, back_off=(0.001, 0.001))
    reader.start()
    sink.next("unreadable")
    assert sink.events.get(timeout=20) == "lost"
    reader.stop()
    reader.join(20)


def test_attempts_that_fail_are_no_connections():
    class Refusing(Camera):
        def open(self):
            super().open()
            if self.opened < 4:
                raise ConnectionError("refused")
            return self

    source, sink = Refusing((IMAGE, None)), Sink()
    reader = Reader(source, sink, back_off=(0.001, 0.001))
    reader.start()
    while not isinstance(sink.events.get(timeout=20), Frame):
        pass
    assert reader.attempts == 4 and reader.connections == 1
    reader.stop()
    reader.join(20)
