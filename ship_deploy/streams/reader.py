"""Reading a source, whatever it does."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Protocol

import cv2
import numpy as np

from ship_deploy.errors import UserError
from ship_deploy.results import Frame
from ship_deploy.streams.shared_clock import SharedTimeline
from ship_deploy.streams.sources import (
    OPEN_DEADLINE,
    RATE,
    READ_DEADLINE,
    Capture,
    Grabbed,
    Source,
    readable,
)
from ship_deploy.streams.timeline import Placed, Timeline
from ship_deploy.streams.worker import Worker

UNREADABLE = "unreadable"
FILE_DEADLINE = 60.0  # seconds; a disk may have to wake up
BACK_OFF = 0.1, 5.0  # seconds before the first and the last of many attempts to connect
HANGING = 2  # calls that may hang at a time; each holds a thread
REMIND = 60.0  # seconds after which what is still wrong is worth another warning

_log = logging.getLogger("ship_deploy.streams")


class Sink(Protocol):
    """Who takes what was read. All are called from the reader's thread."""

    def receive(self, frame: Frame, moment: float) -> None:
        """A frame came, to be paired by `moment`; blocks if it is a file's and there is no room."""

    def refuse(self, reason: str) -> None:
        """Something came that is no frame."""

    def lose(self) -> None:
        """The source failed; more may come later."""

    def finish(self, error: UserError | None) -> None:
        """Nothing more comes; of a file, what was wrong with it."""


class Reader:
    """A thread that reads a source and connects again when a live one fails.

    Attempts are logged as warnings until they have become as rare as they get, then as debugging.
    Every call to the source has a deadline. A source that does not answer, sends nothing readable
    for as long, raises, or ends is closed and opened again, after a pause that doubles up to
    `back_off[1]`. A source's UserError is final.

    Args:
        source: what to read.
        sink: who gets it.
        deadlines: seconds in which a live source has to open, and to give a readable frame.
        back_off: seconds, the first pause and the longest.
        clock: seconds.
        timeline: gives what places the frames of a live source in time, at every connection.

    Attributes:
        state: "connecting", "live", "down" or "ended".
        attempts: how often it was tried to open the source.
        connections: how often that gave a frame.
        by_arrival: frames whose stamps were not believed.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        *,
        deadlines: tuple[float, float] = (OPEN_DEADLINE, READ_DEADLINE),
        back_off: tuple[float, float] = BACK_OFF,
        clock: Callable[[], float] = time.monotonic,
        timeline: Callable[[], Timeline | SharedTimeline] = Timeline,
    ) -> None:
        self.source = source
        self.state = "connecting"
        self.attempts = self.connections = self.by_arrival = 0
        self._sink, self._clock = sink, clock
        self._opening, self._deadline = deadlines if source.live else (FILE_DEADLINE,) * 2
        self._back_off = back_off
        self._index = 0
        self._make_timeline, self._timeline = timeline, timeline()
        self._doubt, self._warned = "", float("-inf")
        self._last: float | None = None  # of a file's times
        self._step = 1 / RATE
        self._worker: Worker | None = None
        self._left: list[Worker] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"read {source.name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading, without waiting for a call that hangs."""
        self._stopping.set()
        if worker := self._worker:
            worker.give_up()

    def join(self, timeout: float) -> None:
        """Wait for the end, after `stop`, and for calls to return that do so in time.

        A thread that comes back from C++ while the interpreter ends takes the process down with
        it, so it is worth a wait.
        """
        until = time.monotonic() + timeout
        self._thread.join(timeout)
        for worker in self._left:
            worker.join(max(0.0, until - time.monotonic()))

    def _read(self) -> None:
        problem, pause = None, self._back_off[0]
        while not self._stopping.is_set():
            before = self._index
            try:
                problem = self._read_until_it_fails()
            except Exception as error:
                problem = error.with_traceback(None)  # which would hold on to a frame
            final = isinstance(problem, UserError)  # no camera gets better by itself
            if final or not self.source.live or self._stopping.is_set():
                break
            if self._index > before:
                pause = self._back_off[0]
            self.state = "down"
            self._sink.lose()
            rare = logging.DEBUG if pause == self._back_off[1] else logging.WARNING
            said = {"event": "source_down", "problem": str(problem), "pause": pause}
            said["source"] = name = self.source.name
            _log.log(rare, "%s: %s; trying again in %.1f s", name, problem, pause, extra=said)
            self._stopping.wait(pause)
            pause = min(2 * pause, self._back_off[1])
        self.state = "ended"
        wrong = problem is not None and not self._stopping.is_set()
        self._sink.finish(self._as_user_error(problem) if wrong else None)

    def _read_until_it_fails(self) -> Exception | None:
        """Open and read. Returns what went wrong, or None at the end of a file."""
        self._left = [worker for worker in self._left if worker.alive]
        if len(self._left) >= HANGING:
            return TimeoutError(f"{len(self._left)} calls to the camera do not return")
        self._worker = worker = Worker(f"call {self.source.name}")
        capture: Capture | None = None
        try:
            self.attempts += 1
            capture = worker.call(self.source.open, self._opening)
            self._timeline = self._make_timeline()
            good, came, failed = self._clock(), False, False
            while not self._stopping.is_set():
                try:
                    grabbed, now = worker.call(partial(self._grab, capture), self._deadline)
                    failed = False
                except (MemoryError, cv2.error):
                    if failed or not self.source.live:
                        raise
                    # What is refused once costs this frame.
                    grabbed, now, failed = (np.empty(0), None), self._clock(), True
                if grabbed is None:
                    return ConnectionError("the stream ended") if self.source.live else None
                image = readable(grabbed[0])
                if image is not None:
                    good = now
                    self.connections += not came
                    came = True
                    if self.state != "live":
                        said = {"event": "source_live", "source": self.source.name}
                        _log.info("%s: live", self.source.name, extra=said)
                    self.state = "live"
                    placed = self._place(grabbed[1], now)
                    stamp = None if placed.doubt else grabbed[1]
                    frame = Frame(image, placed.time, self._index, stamp)
                    self._sink.receive(frame, placed.moment)
                else:
                    self._sink.refuse(UNREADABLE)
                self._index += 1
                if now - good > self._deadline:
                    return ConnectionError(f"no readable frame for {self._deadline:.1f} s")
            return None
        finally:
            worker.leave(capture.close if capture else None)
            self._left.append(worker)

    def _grab(self, capture: Capture) -> tuple[Grabbed | None, float]:
        return capture.read(), self._clock()

    def _place(self, stamp: float | None, now: float) -> Placed:
        if self.source.live:
            placed = self._timeline.place(stamp, now)
            self._judge(placed.doubt, now)
            return placed
        if stamp is not None and not isfinite(stamp):
            stamp = None
        if self._last is None:
            self._last = stamp or 0.0
        elif stamp is not None and stamp > self._last:
            self._step, self._last = stamp - self._last, stamp
        else:  # nothing of a file is dropped for a damaged time
            self._last += self._step
        return Placed(self._last, self._last, "")

    def _judge(self, doubt: str, now: float) -> None:
        """Count a frame whose stamp is not believed, and say so when that begins and ends."""
        self.by_arrival += bool(doubt)
        if bool(doubt) == bool(self._doubt):
            return
        self._doubt = doubt
        if not doubt:
            _log.debug("%s: its stamps are believed again", self.source.name)
            return
        rare = now - self._warned >= REMIND
        self._warned = now if rare else self._warned
        _log.log(
            logging.WARNING if rare else logging.DEBUG,
            "%s: its stamps %s; frames are paired by their time of arrival",
            self.source.name,
            doubt,
            extra={"event": "stamps_wrong", "source": self.source.name},
        )

    def _as_user_error(self, problem: Exception | None) -> UserError:
        return (
            problem
            if isinstance(problem, UserError)
            else UserError(f"{self.source.name}: {problem}")
        )
