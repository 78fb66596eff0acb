"""A street in which people walk, fused live: what `make demo` begins with."""

import time
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.frames import Frames
from ship_deploy.results import Clock, Result
from ship_deploy.streams import Capture, Fuse, Grabbed, Pipeline
from training.scenes import film

STREET, HEIGHT, WIDTH = 1, 360, 480
RATE = 10.0  # frames per second
FRAMES = 40
QUALITY = 70  # of WebP; noise makes more of it dear


class Film(NamedTuple):
    """A film of results, and how it came about."""

    webp: bytes  # plays in a loop
    still: Frames  # its first picture
    note: str


class Camera:
    """Plays frames as a live camera does, over and over; late ones are lost, not waited for."""

    live = True
    clock: Clock = "shared"

    def __init__(self, name: str, frames: Sequence[Frames], start: float) -> None:
        self.name, self._frames, self._start, self._index = name, frames, start, 0

    def open(self) -> Capture:
        """It is open."""
        return self

    def read(self) -> Grabbed:
        """The next frame, when it is due."""
        index, self._index = self._index, self._index + 1
        due = self._start + index / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        return self._frames[index % len(self._frames)], due

    def close(self) -> None:
        """It stays open."""


def shoot(fuse: Fuse, frames: int = FRAMES) -> Film:
    """Draw a street, play it to a pipeline as two live cameras would, and film the results."""
    drawn = list(film(STREET, frames, RATE, HEIGHT, WIDTH))
    start = time.monotonic()
    visible, infrared = (
        Camera(name, pictures, start)
        for name, pictures in zip(("visible", "infrared"), zip(*drawn, strict=True), strict=True)
    )
    with Pipeline(visible, infrared, fuse) as pipeline:
        results = list(islice((result for result in pipeline if result.fused), frames))
        found = pipeline.statistics()
    pictures = [side_by_side(result) for result in results]
    dropped = sum(found.visible.dropped.values())
    latency = 1000 * (found.latency_p50 or 0)
    note = (
        f"Two simulated cameras at {RATE:.0f} frames a second, fused while they ran: "
        f"{len(results)} pairs, {dropped} dropped; median latency from capture to result "
        f"{latency:.0f} ms. Animated WebP at quality {QUALITY}."
    )
    return Film(encode(pictures, [result.time for result in results]), pictures[0], note)


def side_by_side(result: Result) -> Frames:
    """The result, and half as large beside it what it was made of, (H, W + W / 2, 3)."""
    assert result.visible is not None and result.infrared is not None
    sources = result.visible.image, cv2.cvtColor(result.infrared.image, cv2.COLOR_GRAY2BGR)
    height, width = result.image.shape[:2]
    small = [cv2.resize(s, (width // 2, height // 2), None, 0, 0, cv2.INTER_AREA) for s in sources]
    return np.hstack([result.image, np.vstack(small)])


def encode(pictures: Sequence[NDArray[np.uint8]], times: Sequence[float]) -> bytes:
    """Pictures taken at these times, in seconds, as animated WebP."""
    animation = cv2.Animation()
    animation.frames = pictures
    durations = np.diff([*times, times[-1] + 1 / RATE])
    animation.durations = np.round(1000 * durations).astype(int).tolist()
    encoded, content = cv2.imencodeanimation(
        ".webp", animation, (cv2.IMWRITE_WEBP_QUALITY, QUALITY)
    )
    if not encoded:
        raise UserError("this build of OpenCV cannot write animated WebP")
    return content.tobytes()
