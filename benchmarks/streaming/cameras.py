"""Cameras that cost nothing, to measure what is built around them."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ship_deploy.streams.sources import Clock


class DrawnCamera:
    """Noise in fresh memory, as a driver hands it over; its own capture.

    Args:
        name: for messages.
        shape: of the frames, uint8.
        rate: frames per second; all cameras of one rate fire at the same moments. None: as fast as
            they are read.
        count: frames until it ends; None: never.
        live: whether it is read as a camera, or as a file.
        cut: frames after which the connection breaks, each time.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        rate: float | None = None,
        count: int | None = None,
        live: bool = True,
        cut: int | None = None,
    ) -> None:
        self.name, self.live = name, live
        self.clock: Clock = "own"
        self._image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        self._rate, self._count, self._cut = rate, count, cut
        self._given = 0

    def open(self) -> "DrawnCamera":
        """Itself."""
        return self

    def read(self) -> tuple[NDArray[np.uint8], float | None] | None:
        """The next frame, when its time has come."""
        if self._given == self._count:
            return None
        self._given += 1
        if self._cut and self._given % self._cut == 0:
            return None
        if self._rate:
            now = time.monotonic()
            time.sleep((now * self._rate // 1 + 1) / self._rate - now)
        return self._image.copy(), None if self.live else float(self._given)

    def close(self) -> None:
        """Nothing is held."""


def resident() -> int:
    """Bytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
