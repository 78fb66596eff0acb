"""The clock that several sources stamp their frames by, beside the computer's."""

import math
import threading
from collections import deque

from ship_deploy.streams.timeline import Placed

WINDOW = 5.0  # seconds in which the quickest frame says how far apart the two clocks are
DELAY = 1.0  # seconds by which frames of one moment may arrive apart; more is a clock that is wrong
USUAL = 31  # frames whose delays are what a source is used to
SLACK = 0.05  # seconds by which a delay may exceed those


class SharedClock:
    """How the clock of all sources that declare "shared" lies to the computer's.

    A frame arrives some time after its stamp: the difference between the two clocks, which is the
    same for all sources, and the delay of its transport, which is not. The smallest sum of the last
    five seconds, over all sources, is taken for the difference, so that it follows a clock that
    drifts or was set. The delay of the quickest transport cannot be told from it: by that much the
    times of all frames are too late, and latencies too small.

    Frames are not paired by these times, which that estimate moves, but by their stamps plus a
    constant: two frames lie as far apart as their stamps do. The constant changes only if no stamp
    was believed for five seconds. Safe to use from several threads.

    Attributes:
        ties: how often the constant was chosen.
    """

    def __init__(self) -> None:
        self.ties = 0
        self._lock = threading.Lock()
        # (arrived, arrived - stamp) of those that are less than all later ones: the first is least.
        self._least: deque[tuple[float, float]] = deque()
        self._constant = 0.0  # what is added to a stamp to pair by
        self._lead = 0.0  # by how much that lies after the time on the computer's clock

    def lag(self, stamp: float, arrived: float) -> float | None:
        """Seconds that a frame arrived later than the quickest; None if no stamp is believed."""
        with self._lock:
            self._expire(arrived)
            return arrived - stamp - self._least[0][1] if self._least else None

    def follow(self, stamp: float, arrived: float) -> tuple[float, float]:
        """Believe a stamp. Returns the frame's time, and the moment that it is paired by."""
        with self._lock:
            self._expire(arrived)
            if not self._least:  # without a step in what is paired by
                self._constant = arrived + self._lead - stamp
                self.ties += 1
            difference = arrived - stamp
            while self._least and self._least[-1][1] >= difference:
                self._least.pop()
            self._least.append((arrived, difference))
            self._lead = self._constant - self._least[0][1]
            return stamp + self._least[0][1], stamp + self._constant

    def moment(self, time: float) -> float:
        """What a frame is paired by that has no stamp to believe."""
        with self._lock:
            return time + self._lead

    def _expire(self, arrived: float) -> None:
        while self._least and self._least[0][0] < arrived - WINDOW:
            self._least.popleft()


class SharedTimeline:
    """Places the frames of one source that declares "shared".

    A stamp is believed if it is a number, at most a second before or after those of the quickest
    source, and later than the one before. One that is not later is a frame that was sent twice or
    overtaken, and is paired (that is, dropped) as such; a second one in a row means that the clock
    stands still or was set back. Then stamps are believed again when they have caught up: when a
    frame seems no later than the source's frames usually are. A frame whose stamp is not believed
    is placed by its arrival.

    Args:
        clock: of all sources that declare "shared".
    """

    def __init__(self, clock: SharedClock) -> None:
        self._clock, self._ties = clock, 0
        self._latest = float("-inf")  # of the stamps that were believed
        self._not_later = 0  # stamps in a row
        self._set_back = False
        self._usual: deque[float] = deque(maxlen=USUAL)  # lags
        self._time = float("-inf")

    def place(self, stamp: float | None, arrived: float) -> Placed:
        """The time of a frame, later than that of the one before unless both arrived at once.

        Args:
            stamp: seconds on the shared clock, if there is one.
            arrived: seconds on the computer's clock.
        """
        doubt = self._doubt(stamp, arrived)
        if stamp is None or doubt:
            time, moment = arrived, self._clock.moment(arrived)
        else:
            time, moment = self._clock.follow(stamp, arrived)
            self._ties = self._clock.ties
        self._time = min(max(time, math.nextafter(self._time, math.inf)), arrived)
        return Placed(self._time, moment, doubt)

    def _doubt(self, stamp: float | None, arrived: float) -> str:
        """Why a stamp is not believed; "" if it is."""
        if stamp is None or not math.isfinite(stamp):
            return "are missing"
        lag = self._clock.lag(stamp, arrived)
        if lag is None or self._ties != self._clock.ties:  # the clock was set, or is new
            self._latest, self._not_later, self._set_back = float("-inf"), 0, False
        lag = lag or 0.0
        if abs(lag) > DELAY:
            return f"are {abs(lag):.1f} s {'behind' if lag > 0 else 'ahead of'} the shared clock"
        later = stamp > self._latest
        self._not_later = 0 if later else self._not_later + 1
        if self._not_later > 1:
            self._set_back = True
        if self._set_back and (not later or lag > max(self._usual, default=0.0) + SLACK):
            return "stand still or went back"
        self._set_back = False
        if later:
            self._latest = stamp
            self._usual.append(lag)
        return ""
