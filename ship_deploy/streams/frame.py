"""What flows through a pipeline: frames in, results out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray


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


class Output(Protocol):
    """Where results go. Both methods are called from the pipeline's thread, `close` once."""

    def write(self, result: Result) -> None:
        """Take one result; whatever time this takes costs frames, not latency."""

    def close(self) -> None:
        """Finish what was written."""


# An infrared frame and the visible one's (height, width), None before the first -> aligned uint8
# (H, W) of that size. Called once a frame, in order, from the pipeline's thread.
Prepare: TypeAlias = Callable[[Frame, tuple[int, int] | None], NDArray[np.uint8]]
# Visible uint8 (H, W, 3) and infrared uint8 (H, W) -> fused uint8 (H, W, 3), as `Fuser`.
Fuse: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
