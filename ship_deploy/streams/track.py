"""One side of the pairing: the frames that wait, how fast they come, whether they still do."""

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeAlias

from ship_deploy.results import Frame

Side: TypeAlias = Literal["visible", "infrared"]

FUSED = ""  # the reason of a frame that was fused
LATE, DUPLICATE, NO_PARTNER = "late", "duplicate", "no partner"
OVERRUN, STOPPED = "overrun", "stopped"
WINDOW = 31  # intervals that a period is the median of: half of them may be off
SILENT = 3  # periods without a frame after which even a slow camera is down


@dataclass(eq=False)
class Held:
    """A frame that waits.

    Attributes:
        frame: as it came.
        time: that it is paired by; an infrared frame's is less the offset.
        arrived: seconds.
        fate: what it will be settled as, as far as is known.
        released: whether it waits for nothing but the end of the pair that it is in.
    """

    frame: Frame
    time: float
    arrived: float
    fate: str = NO_PARTNER
    released: bool = False


class Track:
    """One side.

    Args:
        side: which.
        now: seconds; the start.
        silence: seconds without a frame after which it is down; infinite for files.
        period: between frames, if it is known beforehand.

    Attributes:
        held: what waits, in order of time.
        last: time of the newest frame.
        arrived: when that came.
        period: seconds between frames, the median of the last ones; None before the second.
        lag: seconds that its frames come after the moments that they are paired by, the most of the
            last ones; -inf before the first. Says something only beside the other side's.
        ended: whether no more frames come.
        lost: whether the camera is known to be down.
    """

    def __init__(self, side: Side, now: float, silence: float, period: float | None) -> None:
        self.side: Side = side
        self.held: deque[Held] = deque()
        self.last = float("-inf")
        self.arrived = now
        self.ended = self.lost = False
        self.period, self._known = period, period is not None
        self._silence = silence
        self._intervals: deque[float] = deque(maxlen=WINDOW)
        self._lags: deque[float] = deque(maxlen=WINDOW)

    def beat(self, time: float, now: float) -> None:
        """Note a frame that came at `now`."""
        if self.last > float("-inf") and not self._known:
            self._intervals.append(time - self.last)
            self.period = median(self._intervals)
        self._lags.append(now - time)
        self.last, self.arrived, self.lost = time, now, False

    @property
    def lag(self) -> float:
        """See above."""
        return max(self._lags, default=float("-inf"))

    @property
    def down_at(self) -> float:
        """When it is down, if nothing comes until then."""
        return self.arrived + max(self._silence, SILENT * (self.period or 0.0))

    def gone(self, now: float) -> str:
        """Why nothing is to be expected of it; "" if something is."""
        if self.ended:
            return f"{self.side} ended"
        return f"{self.side} down" if self.lost or now >= self.down_at else ""
