"""How the two cameras lie in time, and how fast one runs away from the other."""

from collections import deque
from statistics import median

RECENT = 62  # pairs that the offset is the median of
MEMORY = 1000  # pairs after which an old one counts 1/e for the drift; 33 s at 30 Hz
ENOUGH = 100  # pairs before a drift is given
EQUAL_RATES = 0.05  # relative; between rates that differ by more there is no phase to follow


class Phase:
    """Time between partners: its median, and its slope by least squares that forget.

    Cameras of nearly equal rates slip past each other: the time between a frame and its nearest
    partner grows to half a period, jumps to minus half a period, and grows again. For the slope,
    the jumps are taken out. Constant memory.
    """

    def __init__(self) -> None:
        self._differences: deque[float] = deque(maxlen=RECENT)
        self.restart()

    def restart(self) -> None:
        """Forget the slope: one of the cameras starts anew, with another phase."""
        self._count = 0
        self._time = self._difference = self._total = 0.0
        # Sums of weight, x, y, xx, xy; x is relative to the newest pair.
        self._w = self._x = self._y = self._xx = self._xy = 0.0

    def add(self, time: float, difference: float, periods: tuple[float, float]) -> None:
        """Count a pair.

        Args:
            time: of the pair, seconds.
            difference: infrared time minus visible time, seconds.
            periods: of the two cameras, seconds.
        """
        self._differences.append(difference)
        fast, slow = sorted(periods)
        if slow - fast >= EQUAL_RATES * slow:
            self.restart()
            return
        if self._count:
            step = difference - self._difference
            self._total += step - slow * round(step / slow)
            gap = time - self._time
            self._xx += gap * (gap * self._w - 2 * self._x)
            self._xy -= gap * self._y
            self._x -= gap * self._w
        keep = 1 - 1 / MEMORY
        self._w = self._w * keep + 1
        self._x *= keep
        self._y = self._y * keep + self._total
        self._xx *= keep
        self._xy *= keep
        self._time, self._difference = time, difference
        self._count += 1

    @property
    def offset(self) -> float | None:
        """Seconds that infrared frames lie after their partners; None before the first pair."""
        return median(self._differences) if self._differences else None

    @property
    def drift(self) -> float | None:
        """Seconds a second by which that grows; None as long as it is not known."""
        spread = self._w * self._xx - self._x**2
        if self._count < ENOUGH or spread <= 0:
            return None
        return (self._w * self._xy - self._x * self._y) / spread
