"""When a camera's frame was taken, on the computer's clock."""

from collections import deque
from typing import NamedTuple

WINDOW = 64  # frames that the offset between the two clocks is found in
BELIEVED = 0.5  # seconds that a stamp may lie before the arrival


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
    """

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=WINDOW)
        self._stamp: float | None = None
        self._time = float("-inf")

    def place(self, stamp: float | None, arrived: float) -> Placed:
        """The time of a frame, later than that of the one before, never in the future.

        Args:
            stamp: seconds on the camera's clock, if it gives any.
            arrived: seconds on the computer's clock.
        """
        time = arrived
        if stamp is None or (self._stamp is not None and stamp <= self._stamp):
            self._offsets.clear()
        else:
            self._offsets.append(arrived - stamp)
            placed = stamp + sorted(self._offsets)[len(self._offsets) // 4]
            if placed < arrived - BELIEVED:
                self._offsets.clear()
            elif self._time < placed < arrived:
                time = placed
        self._stamp, self._time = stamp, time
        return Placed(time, time, "")
