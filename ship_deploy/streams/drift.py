"""How fast one camera's clock runs away from the other's."""

MEMORY = 1000  # pairs after which an old one counts 1/e; 33 s at 30 Hz
ENOUGH = 100  # pairs before a slope is given


class Drift:
    """Slope of the time between partners, by least squares that forget.

    Cameras of nearly equal rates slip past each other: the time between a frame and its nearest
    partner grows to half a period, jumps to minus half a period, and grows again. The jumps are
    taken out. Constant memory.
    """

    def __init__(self) -> None:
        self._count = 0
        self._time = self._difference = self._total = 0.0
        # Sums of weight, x, y, xx, xy; x is relative to the newest pair.
        self._w = self._x = self._y = self._xx = self._xy = 0.0

    def add(self, time: float, difference: float, period: float) -> None:
        """Count a pair.

        Args:
            time: of the pair, seconds.
            difference: infrared time minus visible time, seconds.
            period: of the frames, seconds; what the difference jumps by.
        """
        if self._count:
            step = difference - self._difference
            self._total += step - period * round(step / period)
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
    def slope(self) -> float | None:
        """Seconds a second; None as long as too few pairs were counted."""
        spread = self._w * self._xx - self._x**2
        if self._count < ENOUGH or spread <= 0:
            return None
        return (self._w * self._xy - self._x * self._y) / spread
