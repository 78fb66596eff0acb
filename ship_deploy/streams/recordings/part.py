"""One file of a recording, while it is written."""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.results import Result, Statistics
from ship_deploy.streams.encoder import Encoder
from ship_deploy.streams.recordings.codecs import options_for
from ship_deploy.streams.recordings.index import Index, Part

SYNC = 2.0  # seconds after which what was written is on the disk, for a loss of power
DEADLINE = 10.0  # seconds in which the encoder takes a picture, or ends
AWAY = 1.0  # seconds without a result that count as both cameras being away


class OpenPart:
    """A video that is being written, and brought to the disk now and then.

    Args:
        path: an empty file.
        first: the first result.
        begin: its time, seconds since 1970.
        rate: pictures per second.
        index: that it is entered into, or None.
        statistics: of the pipeline, for what is told of it.
    """

    def __init__(
        self,
        path: Path,
        first: Result,
        begin: float,
        rate: float,
        index: Index | None,
        statistics: Callable[[], Statistics] | None,
    ) -> None:
        height, width = first.image.shape[:2]
        made = datetime.fromtimestamp(begin, timezone.utc).isoformat(timespec="microseconds")
        options = f"{options_for(path.suffix.lower(), rate)} -metadata creation_time={made}"
        self.path, self._begin, self._rate = path, begin, rate
        self._closed, self._index, self._statistics = threading.Event(), index, statistics
        self._at_first = statistics() if statistics else None
        self._next = self._time = first.time  # of the next picture; of the result before
        self._last = np.empty(0, np.uint8)  # the picture before
        self._sent = self._results = self._fused = 0
        self._alone: Counter[str] = Counter()
        self._away = {"visible": 0.0, "infrared": 0.0}
        self.encoder = Encoder(f"file:{path}", options, rate, (height, width), DEADLINE)
        self.bytes, self.written = 0, time.time()
        if index:
            index.begin(Part(path, begin, rate))
        self._thread = threading.Thread(target=self._watch, name=f"sync {path.name}", daemon=True)
        self._thread.start()

    def send(self, result: Result, image: NDArray[np.uint8]) -> None:
        """Take a result; the picture before stands until its time.

        Args:
            result: what is told of it.
            image: what is shown of it, uint8 (H, W, 3).

        Raises:
            OSError: it cannot be written.
        """
        self._count(result)
        period = 1 / self._rate
        while self._next <= result.time - period / 2:
            self._send(self._last if self._last.size else image)
        if self._next <= result.time + period / 2:
            self._send(image)
        self._last = image

    def close(self, why: str) -> str:
        """Finish the file, and enter it into the index.

        Returns:
            What went wrong; "" if nothing did.
        """
        self._closed.set()
        problem = self.encoder.close(DEADLINE)
        self._look()
        if self._index:
            end = self._begin + self._sent / self._rate
            part = Part(self.path, self._begin, self._rate, end, self.bytes)
            self._index.end(part, {**self._facts(), "why": problem or why})
        return problem

    def _send(self, image: NDArray[np.uint8]) -> None:
        self.encoder.send(image)
        self._sent += 1
        self._next += 1 / self._rate

    def _count(self, result: Result) -> None:
        self._results += 1
        self._fused += result.fused
        if not result.fused:
            self._alone[result.reason.partition(":")[0]] += 1
        passed = max(0.0, result.time - self._time)
        self._time = result.time
        for side, frame in (("visible", result.visible), ("infrared", result.infrared)):
            if frame is None or passed > AWAY:
                self._away[side] += passed

    def _facts(self) -> dict[str, object]:
        facts: dict[str, object] = {
            "frames": self._results,
            "fused": self._fused,
            "alone": dict(self._alone),
            "away": {side: round(seconds, 3) for side, seconds in self._away.items()},
        }
        if self._statistics and self._at_first:
            now, before = self._statistics(), self._at_first
            facts["dropped"] = {
                "visible": _difference(now.visible.dropped, before.visible.dropped),
                "infrared": _difference(now.infrared.dropped, before.infrared.dropped),
            }
        return facts

    def _watch(self) -> None:
        """In a thread of its own: a slow disk takes seconds for it."""
        while not self._closed.wait(SYNC):
            self._look()
            with contextlib.suppress(OSError):  # what cannot be written, the encoder says
                number = os.open(self.path, os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)
            if self._index:
                self._index.sync()

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            size = self.path.stat().st_size
            if size > self.bytes:
                self.bytes, self.written = size, time.time()


def draw_clock(image: NDArray[np.uint8], moment: float) -> NDArray[np.uint8]:
    """A copy of a picture, uint8 (H, W, 3), with the local time at the top left.

    Args:
        image: the picture.
        moment: seconds since 1970.
    """
    text = datetime.fromtimestamp(moment).astimezone().isoformat(" ", "milliseconds")
    text = f"{text[:21]} {text[23:]}"  # to a tenth of a second, with the offset from UTC
    drawn, scale = image.copy(), image.shape[1] / 1000 + 0.2
    place = (round(10 * scale), round(30 * scale))
    for colour, width in ((0, 3), (255, 1)):
        thickness = max(1, round(2 * width * scale))
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (colour,) * 3, thickness)
    return drawn


def _difference(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    counts = {reason: count - before.get(reason, 0) for reason, count in now.items()}
    return {reason: count for reason, count in counts.items() if count}
