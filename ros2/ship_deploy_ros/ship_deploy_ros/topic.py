"""A topic of images as a live source."""

import contextlib
import queue
from collections.abc import Callable
from typing import Any

from ship_deploy.adapters.ros_images import stamp_of, to_image
from ship_deploy.errors import UserError
from ship_deploy.results import Clock, Frame
from ship_deploy.streams import Grabbed
from ship_deploy.streams.sources import READ_DEADLINE

WAITING = 8  # messages that are held, of frames that were not read yet
HEADERS = 1000  # that are remembered, of frames that were not published yet


class Topic:
    """A topic of Image or CompressedImage, stamped by its messages' headers.

    Header stamps follow one clock for all topics, so frames are paired by stamp, however long
    drivers and networks take.

    Args:
        name: of the topic, for messages.
        complain: told what is wrong with a message that is no image.
    """

    live = True
    clock: Clock = "shared"

    def __init__(self, name: str, complain: Callable[[str], object]) -> None:
        self.name, self._complain = name, complain
        self._messages: queue.Queue[Any] = queue.Queue(WAITING)
        self._headers: dict[int, Any] = {}
        self._count = 0

    def receive(self, message: Any) -> None:
        """Take a message, in the executor's thread; the oldest makes room where reading is slow."""
        if self._messages.full():
            with contextlib.suppress(queue.Empty):
                self._messages.get_nowait()
        self._messages.put(message)

    def header(self, frame: Frame) -> Any:
        """The header that a frame came with."""
        return self._headers[frame.index]

    def open(self) -> "Topic":
        """Itself: it is open as long as the subscription is there."""
        return self

    def read(self) -> Grabbed:
        """The next message's image and stamp; `TimeoutError` if none comes."""
        try:
            message = self._messages.get(timeout=READ_DEADLINE / 2)
        except queue.Empty:
            raise TimeoutError("no message") from None
        self._headers[self._count] = message.header
        self._headers.pop(self._count - HEADERS, None)
        self._count += 1
        try:
            return to_image(message), stamp_of(message)
        except UserError as error:
            self._complain(f"{self.name}: {error}")
            return None, None

    def close(self) -> None:
        """The subscription stays."""
