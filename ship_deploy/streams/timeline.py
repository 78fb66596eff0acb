"""When a camera's frame was taken, on the computer's clock."""

from collections import deque

WINDOW = 64  # frames that the offset between the two clocks is found in
BELIEVED = 0.5  # seconds that a stamp may lie before the arrival


class Timeline:
    """Turns a camera's own stamps into times of the computer's clock.

    A frame arrives some time after it was taken: at least the way's shortest time, and more when
    the network, the decoder or this process was busy. The camera's stamps do not see that jitter.
    So the clocks are tied together by the frames that came quickest, and a frame's time is its
    stamp there. A stamp that jumps, stands still or is absent gives way to the time of arrival.
    """

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=WINDOW)
        self._stamp: float | None = None
        self._time = float("-inf")

    def place(self, stamp: float | None, arrived: float) -> float:
        """The time of a frame, in seconds: later than that of the one before, never in the future.

        Args:
            stamp: seconds on the camera's clock, if it gives any.
            arrived: seconds on the computer's clock.
        """
        steady = stamp is not None and (self._stamp is None or stamp > self._stamp)
        self._stamp = stamp
        time = arrived
        if stamp is None or not steady:
            self._offsets.clear()
        else:
            self._offsets.append(arrived - stamp)
            time = stamp + min(self._offsets)
            if time < arrived - BELIEVED or time <= self._time:
                self._offsets.clear()
                time = arrived
        self._time = time
        return time
