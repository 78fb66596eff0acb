"""A topic of a recording as a source of frames."""

from collections.abc import Generator

from ship_deploy.adapters.bags import Bag, Message, Topic, decode
from ship_deploy.adapters.ros_images import (
    COMPRESSED,
    IMAGE,
    check_encoding,
    stamp_of,
    to_image,
)
from ship_deploy.errors import UserError
from ship_deploy.results import Clock
from ship_deploy.streams.sources import Grabbed


class BagTopic:
    """A topic of Image or CompressedImage; its frames count as the topic's messages do, from 0.

    Frames are stamped by their headers, or by when they were recorded if those are zero. A message
    that is damaged counts as unreadable.

    Args:
        bag: where it is.
        topic: its name.
    """

    live = False
    clock: Clock = "shared"

    def __init__(self, bag: Bag, topic: str) -> None:
        self.name, self._bag, self._topic = f"{bag.path} {topic}", bag, topic

    def open(self) -> "BagTopic":
        """Begin with its first message."""
        self._messages = (m for m in self._bag.messages() if m.topic.name == self._topic)
        return self

    def read(self) -> Grabbed | None:
        """The next message's image and stamp; UserError if its encoding is not known."""
        for message in self._messages:
            try:
                fields = decode(message)
            except UserError:
                return None, None
            check_encoding(fields)
            try:
                return to_image(fields), stamp_of(fields) or message.logged * 1e-9
            except UserError:
                return None, None
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._messages.close()

    _messages: Generator[Message, None, None]


def find_topics(bag: Bag, visible: str, infrared: str) -> tuple[Topic, Topic]:
    """The topics of these names; a UserError, which names those of images, if there are none."""
    images: dict[str, Topic] = {}
    for message in bag.messages():
        if message.topic.type in (IMAGE, COMPRESSED):
            images[message.topic.name] = message.topic
            if visible in images and infrared in images:
                return images[visible], images[infrared]
    missing = " and ".join(name for name in (visible, infrared) if name not in images)
    found = ", ".join(sorted(images)) or "none"
    raise UserError(f"{bag.path}: no images on {missing}; topics of images: {found}")
