"""The newest result, for as many viewers as there are."""

import threading
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.results import Result

Picture: TypeAlias = Literal["visible", "infrared", "fused"]
PICTURES: tuple[Picture, ...] = ("visible", "infrared", "fused")
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One result, whose pictures are encoded when the first viewer asks, and once."""

    sequence: int  # counted from 1
    result: Result
    _encoded: dict[Picture, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def jpeg(self, picture: Picture) -> bytes:
        """A picture as JPEG; empty if that camera gave none."""
        with self._lock:
            if picture not in self._encoded:
                self._encoded[picture] = _encode(self._image(picture))
            return self._encoded[picture]

    def _image(self, picture: Picture) -> NDArray[Any] | None:
        if picture == "fused":
            return self.result.image
        frame = self.result.visible if picture == "visible" else self.result.infrared
        return None if frame is None else frame.image


class Latest:
    """Holds the newest snapshot only; what nobody took is gone. Safe between threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._snapshot: Snapshot | None = None
        self._closed = False

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest one."""
        return self._snapshot

    @property
    def closed(self) -> bool:
        """Whether no more will come."""
        return self._closed

    def put(self, result: Result) -> None:
        """Replace it. Takes no time: nothing is encoded here."""
        with self._changed:
            before = self._snapshot.sequence if self._snapshot else 0
            self._snapshot = Snapshot(before + 1, result)
            self._changed.notify_all()

    def wait(self, seen: int, timeout: float) -> Snapshot | None:
        """The newest snapshot as soon as it is another than number `seen`; None after `timeout`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_other(seen), timeout)
            return self._snapshot if self._is_other(seen) and not self._closed else None

    def close(self) -> None:
        """Let everybody go who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_other(self, seen: int) -> bool:
        return self._snapshot is not None and self._snapshot.sequence != seen


def _encode(image: NDArray[Any] | None) -> bytes:
    if image is None:
        return b""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    _, content = cv2.imencode(".jpg", image, _JPEG)
    return content.tobytes()
