"""Cameras of our own making: what they do, and when they fail, is scripted."""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy.results import Clock

GARBAGE: list[Any] = [
    None,
    "not an image",
    np.zeros((3, 3), np.uint8),
    np.zeros((32, 32), np.float32),
    np.zeros((32, 32, 5), np.uint8),
    np.zeros((2, 32, 32, 3), np.uint8),
]
FAULTS = [
    *("cut", "raise", "refuse", "stall", "hang", "garbage", "only garbage"),
    *("resize", "depth", "clock jump", "clock stands"),
]


class ScriptedCamera:
    """A live source that gives a frame every `period` and, after four good ones, its next fault.

    Args:
        name: of it.
        shape: of its frames.
        script: faults.
        period: seconds between frames.
        stall: seconds that a stall takes; longer than the pipeline's patience.
        seed: of sizes, pauses and garbage.

    Attributes:
        happened: how often each fault did.
        log: when, on `time.monotonic`'s clock, and which.
    """

    live = True
    clock: Clock = "own"

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        script: Iterable[str] = (),
        *,
        period: float = 0.005,
        stall: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.name, self.shape, self.period, self.stall = name, shape, period, stall
        self.script = list(script)[::-1]
        self.happened: Counter[str] = Counter()
        self.log: list[tuple[float, str]] = []
        self.released = threading.Event()  # ends every wait: set it at the end of a test
        self.sent = 0
        self.open_captures = 0
        self._random = Random(seed)
        self._refuse = 0
        self._depth: type[np.unsignedinteger[Any]] = np.uint8
        self._stamp, self._clock_stands = 0.0, False

    def open(self) -> "ScriptedCapture":
        """Let it be open, or refuse."""
        if self._refuse:
            self._refuse -= 1
            raise OSError("refused")
        self.open_captures += 1
        return ScriptedCapture(self)

    def fault(self, capture: "ScriptedCapture") -> object:
        """Do the next thing of the script. Returns what `read` should, or ... to go on."""
        fault = self.script.pop()
        self.happened[fault] += 1
        self.log.append((time.monotonic(), fault))
        match fault:
            case "cut":
                return None
            case "raise":
                raise RuntimeError("the driver is confused")
            case "refuse":
                self._refuse = 2
                return None
            case "stall":
                self.released.wait(self.stall)
            case "hang":
                self.released.wait(5 * self.stall)
            case "garbage":
                capture.garbage = 3
            case "only garbage":
                capture.garbage = 10**6
            case "resize":
                height, width = self._random.randint(16, 48), self._random.randint(16, 48)
                self.shape = (height, width, *self.shape[2:])
            case "depth":
                self._depth = np.uint16 if self._depth == np.uint8 else np.uint8
            case "clock jump":
                self._stamp += self._random.choice([-1000.0, -0.01, 0.7, 1e6])
            case "clock stands":
                self._clock_stands = not self._clock_stands
        return ...

    def picture(self) -> tuple[NDArray[Any], float]:
        """A frame whose level is its number, and its stamp."""
        self.sent += 1
        self._stamp += 0.0 if self._clock_stands else self.period
        return np.full(self.shape, self.sent % 256, self._depth), self._stamp

    def garbage(self) -> tuple[Any, float]:
        """Something else."""
        return self._random.choice(GARBAGE), self._stamp


class ScriptedCapture:
    """One connection to it."""

    def __init__(self, camera: ScriptedCamera) -> None:
        self.camera, self.garbage, self._good = camera, 0, 0

    def read(self) -> Any:
        """The next frame, when its time has come, or what the script says."""
        camera = self.camera
        camera.released.wait(camera.period)
        if self.garbage:
            self.garbage -= 1
            return camera.garbage()
        self._good += 1
        if camera.script and self._good % 5 == 0:
            found = camera.fault(self)
            if found is not ...:
                return found
        return camera.picture()

    def close(self) -> None:
        """Let go of it."""
        self.camera.open_captures -= 1
