"""A recording with a fused topic in it, written so that an interrupted run can be taken up."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ship_deploy.adapters.bag_source import BagTopic, find_topics
from ship_deploy.adapters.bags import Bag, Message, Topic, decode, encode, standard_type
from ship_deploy.adapters.ros_images import IMAGE, make_image, to_image
from ship_deploy.artifact import VERSION
from ship_deploy.errors import UserError
from ship_deploy.files import put_in_place
from ship_deploy.frames import Frames
from ship_deploy.fuser import Fuser
from ship_deploy.results import Frame, Output, Result, Statistics
from ship_deploy.streams.compositor import Fuse
from ship_deploy.streams.outputs import Callback
from ship_deploy.streams.pipeline import Pipeline
from ship_deploy.streams.preparation import Preparation

NAME = "ship_deploy"  # of the MCAP metadata record that says how a file was made


class FusedBag:
    """Copies a bag into an MCAP file and puts fused images into it; an `Output` of a pipeline.

    Every message of the bag is copied as it is. Each fused image follows its visible message, with
    the times and the header of that, as sensor_msgs/Image.

    The file is `.NAME.unfinished` until it is whole. A run that was interrupted leaves that behind,
    and the next one with the same bag, model and options takes its fused images from there.

    Args:
        bag: what to copy.
        path: of the file, `.mcap`; replaced if it exists.
        visible: topic of the visible images.
        topic: of the fused images; one that the bag does not have.
        made_by: what the fused images depend on; written into the file.

    Attributes:
        messages: copied so far.
        resumed: images that were taken from an interrupted run.
        written: fused images so far.

    Raises:
        UserError: the file cannot be written, or another process is writing it.
    """

    def __init__(
        self, bag: Bag, path: Path, visible: Topic, topic: str, made_by: dict[str, str]
    ) -> None:
        self.path = path
        self.messages = self.resumed = self.written = 0
        self._bag, self._visible = bag, visible.name
        self._image, schema = standard_type(IMAGE, visible.encoding)
        self._topic = Topic(topic, IMAGE, visible.encoding, schema, visible.metadata)
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        self._earlier = path.with_name(f".{path.name}.earlier")
        self._made_by = {**made_by, "bag": _identity(bag), "visible": visible.name, "fused": topic}
        self._known = self._find_earlier()
        self._next_known = next(self._known, None)
        self._calls = 0
        self._source: Iterator[tuple[int, Message]] = self._copy()

    def __enter__(self) -> "FusedBag":
        from mcap.writer import Writer

        try:
            self._file = self._unfinished.open("wb")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._writer = Writer(self._file)
            self._writer.start("ros1" if self._topic.encoding == "ros1" else "ros2", "ship-deploy")
            self._writer.add_metadata(NAME, self._made_by)
            self._file.flush()
        except OSError as error:
            raise self._problem(error) from error
        self._channels: dict[Topic, int] = {}
        self._schemas: dict[tuple[str, str, bytes], int] = {}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError), self._file:
            if error is not None:
                self._writer.flush()  # for the next run

    def fuse(self, fuse: Fuse) -> Fuse:
        """`fuse`, but for the images that an interrupted run left."""

        def fuse_or_recall(visible: Frames, infrared: Frames) -> Frames:
            self._calls += 1
            while self._next_known and self._next_known[0] < self._calls:
                self._next_known = next(self._known, None)
            if self._next_known and self._next_known[0] == self._calls:
                self.resumed += 1
                return self._next_known[1]
            return fuse(visible, infrared)

        return fuse_or_recall

    def write(self, result: Result) -> None:
        """Take a result: copy the bag as far as its visible message, then add the fused image."""
        if result.fused and result.visible:
            self._add(result.image, result.visible)

    def close(self) -> None:
        """Nothing: a pipeline that was interrupted closes its outputs, too. See `finish`."""

    def finish(self) -> None:
        """Copy what is left, and put the file in its place."""
        try:
            for _ in self._source:
                pass
            self._writer.finish()
            put_in_place(self._unfinished, self._file, self.path)
            self._earlier.unlink(missing_ok=True)
        except OSError as error:
            raise self._problem(error) from error

    def _add(self, image: Frames, frame: Frame) -> None:
        try:
            message = next(message for index, message in self._source if index == frame.index)
            fields = make_image(self._image, image, decode(message).header)
            data = encode(fields, self._topic.encoding)
            fused = Message(self._topic, message.logged, message.published, self._calls, data)
            self._put(fused)
            self.written += 1
        except OSError as error:
            raise self._problem(error) from error

    def _copy(self) -> Iterator[tuple[int, Message]]:
        """Copies; gives each visible message, and its number, once it is copied."""
        index = 0
        for message in self._bag.messages():
            if message.topic.name == self._topic.name:
                raise UserError(
                    f"{self._bag.path}: has {self._topic.name} already; give another --topic"
                )
            self._put(message)
            self.messages += 1
            if message.topic.name == self._visible:
                yield index, message
                index += 1

    def _put(self, message: Message) -> None:
        topic = message.topic
        if topic not in self._channels:
            if topic.schema not in self._schemas:
                name, form, text = topic.schema
                number = self._writer.register_schema(name, form, text) if name else 0
                self._schemas[topic.schema] = number
            self._channels[topic] = self._writer.register_channel(
                topic.name, topic.encoding, self._schemas[topic.schema], topic.metadata
            )
        self._writer.add_message(
            self._channels[topic],
            message.logged,
            message.data,
            message.published,
            message.sequence,
        )

    def _find_earlier(self) -> Iterator[tuple[int, Frames]]:
        """Images of an interrupted run, by the number of the call that gave them."""
        try:
            if self._unfinished.exists():
                with self._unfinished.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # A run that was interrupted while it took up another one may know less.
                    files = [path for path in (self._unfinished, self._earlier) if path.exists()]
                    os.replace(max(files, key=lambda path: path.stat().st_size), self._earlier)
        except OSError as error:
            raise self._problem(error) from error
        if not self._earlier.exists():
            return iter(())
        return self._read_earlier(self._earlier)

    def _read_earlier(self, path: Path) -> Iterator[tuple[int, Frames]]:
        from mcap.exceptions import McapError
        from mcap.records import Metadata
        from mcap.stream_reader import StreamReader

        with path.open("rb") as file:
            try:
                found = next(r for r in StreamReader(file).records if isinstance(r, Metadata))
            except (McapError, ValueError, StopIteration):
                return
        if found.metadata != self._made_by:
            return
        with contextlib.suppress(UserError):  # an interrupt may have come in the middle of a record
            for message in Bag(path).messages():
                if message.topic.name == self._topic.name:
                    yield message.sequence, to_image(decode(message))

    def _problem(self, error: OSError) -> UserError:
        if isinstance(error, BlockingIOError):
            return UserError(f"{self.path}: another process is writing it")
        return UserError(f"{self.path}: cannot write ({error.strerror or error})")


class Topics(NamedTuple):
    """Of a recording: of visible images, of infrared ones, and of those that are added."""

    visible: str
    infrared: str
    fused: str = "/fused/image"


def add_topic(
    bag: Bag,
    path: Path,
    topics: Topics,
    fuser: Fuser,
    prepare: Preparation,
    options: str,
    *outputs: Output,
    say: Callable[[FusedBag], None] = lambda fused: None,
) -> tuple[FusedBag, Statistics]:
    """Copy a bag with a topic of fused images added.

    Args:
        bag: what to copy.
        path: see `FusedBag`.
        topics: see there; the first two are topics of images.
        fuser: fuses.
        prepare: brings infrared frames to 8 bits and aligns them; new for each bag.
        options: what the fused images depend on, beside the model and the engine.
        outputs: where they go, too.
        say: called after every image.

    Raises:
        UserError: what cannot be used, read or written.
    """
    found, _ = find_topics(bag, topics.visible, topics.infrared)
    made_by = {
        "version": VERSION,
        "model": fuser.info.digest,
        "engine": f"{fuser.info.backend} {fuser.info.device} {fuser.info.precision}",
        "options": options,
    }
    with FusedBag(bag, path, found, topics.fused, made_by) as fused:
        sources = BagTopic(bag, topics.visible), BagTopic(bag, topics.infrared)
        with Pipeline(*sources, fused.fuse(fuser), prepare=prepare) as pipeline:
            pipeline.run(fused, Callback(lambda _: say(fused)), *outputs)
        fused.finish()
    return fused, pipeline.statistics()


def _identity(bag: Bag) -> str:
    """What tells a bag from one that was changed: names, sizes and times of its files."""
    states = [(path.name, path.stat()) for path in bag.files]
    return "; ".join(f"{name} {s.st_size} {s.st_mtime_ns}" for name, s in states)
