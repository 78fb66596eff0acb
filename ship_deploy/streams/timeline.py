"""When a camera's frame was taken, on the computer's clock."""

from collections import deque
from math import isfinite
from typing import NamedTuple

WINDOW = 64  # frames that the offset between the two clocks is found in
BELIEVED = 0.5  # seconds that a stamp may lie before the arrival
QUICK = 8  # frames, of which the quickest tells whether a clock keeps pace
PACE = 0.1, 0.005  # seconds, and seconds a second, by which it may run away
PROBATION = 3.0  # seconds that it has to keep pace to be believed


class Placed(NamedTuple):
    """Where a frame lies in time.

    Attributes:
        time: of capture, seconds on the computer's clock; not in the future.
        moment: that it is paired by, seconds on a clock of both sources.
        doubt: why its stamp was not believed, to follow "its stamps"; "" if it was, or it has none.
    """

    time: float
    moment: float
    doubt: str


class Timeline:
    """Turns a camera's own stamps into times of the computer's clock.

    A frame arrives some time after it was taken, and that time varies: the network, the decoder
    and this process are busy now and then. The camera's stamps do not see that jitter. So the two
    clocks are tied together by the quicker ones of the recent frames, and a frame's time is its
    stamp there. (Not by the quickest: servers send some frames before their time.) What is left is
    the usual latency of the camera, which no clock here can see. A stamp that jumps, stands still
    or is absent gives way to the time of arrival.

    So do stamps that have not kept pace with real time for 3 seconds yet, or do so no longer, such
    as those that a demuxer makes up: FFmpeg gives HTTP MJPEG 25 frames a second, whatever comes.
    Jitter delays some frames and a slow clock all of them, so the quickest of the last 8 frames is
    compared with that of the first 8.
    """

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=WINDOW)
        self._stamp: float | None = None
        self._time = float("-inf")
        self._doubt = ""
        self._restart()

    def place(self, stamp: float | None, arrived: float) -> Placed:
        """The time of a frame, later than that of the one before, never in the future.

        Args:
            stamp: seconds on the camera's clock, if it gives any.
            arrived: seconds on the computer's clock.
        """
        time = arrived
        believed = stamp is not None and self._keeps_pace(stamp, arrived)
        if stamp is None or not believed:
            self._offsets.clear()
        else:
            self._offsets.append(arrived - stamp)
            placed = stamp + sorted(self._offsets)[len(self._offsets) // 4]
            if placed < arrived - BELIEVED:
                self._offsets.clear()
            elif self._time < placed < arrived:
                time = placed
        self._stamp, self._time = stamp, time
        return Placed(time, time, "" if stamp is None else self._doubt)

    def _restart(self) -> None:
        """Compare the clock with real time anew."""
        self._first: list[tuple[float, float]] = []  # (offset, arrived) of the first frames
        self._last: deque[float] = deque(maxlen=QUICK)  # offsets of the last ones

    def _keeps_pace(self, stamp: float, arrived: float) -> bool:
        """Whether the clock has kept pace for long enough; notes in `_doubt` why it never will."""
        if not isfinite(stamp) or (self._stamp is not None and stamp <= self._stamp):
            self._restart()
            self._doubt = "stand still or went back"
            return False
        if len(self._first) < QUICK:
            self._first.append((arrived - stamp, arrived))
        self._last.append(arrived - stamp)
        away = min(self._last) - min(offset for offset, _ in self._first)
        span = arrived - self._first[0][1]
        if abs(away) > PACE[0] + PACE[1] * span:
            self._restart()
            self._doubt = "do not keep pace with real time"
            return False
        if span > PROBATION:
            self._doubt = ""
        return span > PROBATION
