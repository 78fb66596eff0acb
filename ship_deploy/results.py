"""What goes into a pipeline, what comes out of it, and what it says of itself."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Clock: TypeAlias = Literal["own", "shared"]


@dataclass(frozen=True)
class Frame:
    """One frame of one source.

    Attributes:
        image: uint8, BGR (H, W, 3) or grey (H, W); or uint16, (H, W) or (H, W, 3).
        time: of capture, in seconds: on `time.monotonic`'s clock, for files on their own time line.
        index: counted by its source, from 0.
        stamp: seconds, as the source gave it; None if it gave none, or one that is not believed.
    """

    image: NDArray[Any]
    time: float
    index: int
    stamp: float | None = None


@dataclass(frozen=True)
class Result:
    """One picture of the fused stream. All outputs get the same object: copy before drawing on it.

    Attributes:
        image: uint8 (H, W, 3): fused, or alone the visible frame, or else the infrared one.
        visible: the frame as it came; None while that camera is down.
        infrared: the frame as it was fused, aligned and uint8 (H, W); None without one.
        fused: whether `image` is made of both.
        reason: why it is not fused; "" if it is.
        time: of capture, of the visible frame or else the infrared one; `Frame.time`'s clock.
        done: when it was finished, on `time.monotonic`'s clock; for live cameras, `done - time` is
            the latency.
    """

    image: NDArray[np.uint8]
    visible: Frame | None
    infrared: Frame | None
    fused: bool
    reason: str
    time: float
    done: float


@dataclass(frozen=True)
class Recording:
    """A recording at one moment.

    Attributes:
        problem: why nothing is recorded now; "" if all is well.
        written: when a file last grew, in seconds since 1970; None if none did.
        bytes: written since the start, by all files.
        free: bytes on the disk; None if not known.
    """

    problem: str
    written: float | None
    bytes: int
    free: int | None


class Output(Protocol):
    """Where results go. Both methods are called from the pipeline's thread, `close` once."""

    def write(self, result: Result) -> None:
        """Take one result; whatever time this takes costs frames, not latency."""

    def close(self) -> None:
        """Finish what was written."""


@dataclass(frozen=True)
class SourceStatistics:
    """One source, since the start. Once the pipeline is closed, received = fused + sum(dropped).

    Attributes:
        name: address, path or camera index.
        state: "connecting", "live", "down" or "ended".
        received: frames that came.
        fused: frames that are part of a fused result; each counts once, however often it was used.
        dropped: reason -> frames that are not.
        attempts: how often it was tried to open it.
        reconnections: how often it was opened again.
        rate: frames per second, recently; 0.0 if not known.
        clock: that its frames are placed by, see `Source`; "shared" only if both declare it.
        by_arrival: frames that were placed by their time of arrival, as their stamps were wrong.
    """

    name: str
    state: str
    received: int
    fused: int
    dropped: dict[str, int]
    attempts: int
    reconnections: int
    rate: float
    clock: Clock
    by_arrival: int


@dataclass(frozen=True)
class Statistics:
    """A pipeline at one moment.

    Attributes:
        visible: its source.
        infrared: its source.
        live: whether the sources are cameras.
        fused: results that were fused.
        alone: results that show one camera alone.
        rate: results per second, recently; 0.0 if not known.
        latency_p50: seconds from capture to result, median of recent fused results; None if there
            are none, and for files.
        latency_p99: the same, 99th percentile.
        offset: seconds that infrared frames lie after their visible ones, median of recent pairs;
            None before the first.
        drift: seconds a second by which that grows; None if not known, or if the cameras' rates
            differ by more than 5%.
        uptime: seconds since the start.
    """

    visible: SourceStatistics
    infrared: SourceStatistics
    live: bool
    fused: int
    alone: int
    rate: float
    latency_p50: float | None
    latency_p99: float | None
    offset: float | None
    drift: float | None
    uptime: float
