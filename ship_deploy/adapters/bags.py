"""Recordings of robots: MCAP files, rosbag2 folders with MCAP or SQLite, ROS 1 bags. Read only."""

import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from ship_deploy.errors import UserError
from ship_deploy.names import in_order

MAGIC = b"\x89MCAP0\r\n"
ZSTD = b"\x28\xb5\x2f\xfd"  # that a message begins with if rosbag2 compressed it by itself
CHUNK = 1 << 30  # bytes of the largest chunk that is unpacked
UNREAD = "cannot read the bag"
Records: TypeAlias = Iterator[tuple[int, bytes, bool]]  # opcode, content, whether it is whole


@dataclass(frozen=True)
class Topic:
    """A topic as MCAP describes it.

    Attributes:
        name: such as "/camera/image_raw".
        type: such as "sensor_msgs/msg/Image", of ROS 1 too.
        encoding: of its messages: "cdr" of ROS 2, "ros1", or another.
        schema: name, encoding and text of the message definition; the text may be empty.
        metadata: the channel's, such as QoS.
    """

    name: str
    type: str
    encoding: str
    schema: tuple[str, str, bytes]
    metadata: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Message:
    """A message as it was recorded. Times are nanoseconds since 1970."""

    topic: Topic
    logged: int
    published: int
    sequence: int
    data: bytes


def check_installed() -> None:
    """Raise a UserError if the extra `bags` is not installed."""
    try:
        import mcap  # noqa: F401
        import rosbags  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"bags need {error.name}; install it: pip install ship-deploy[bags]"
        ) from error


class Bag:
    """A recording.

    Args:
        path: `.mcap`, `.db3`, `.bag`, or a folder of rosbag2.

    Attributes:
        path: the same.
        cut: what is missing at its end, as far as it was read; "" if nothing is.

    Raises:
        UserError: there is no such file, or the extra `bags` is not installed.
    """

    def __init__(self, path: Path) -> None:
        check_installed()
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        self.path, self.cut = path, ""
        self._mcaps = sorted(path.glob("*.mcap"), key=in_order) if path.is_dir() else [path]
        if path.suffix in (".bag", ".db3"):
            self._mcaps = []

    @property
    def files(self) -> list[Path]:
        """All files that it consists of."""
        return sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]

    def messages(self) -> Iterator[Message]:
        """All messages, in the order of the file; up to the last whole one if it was cut short.

        Raises:
            UserError: it is damaged, or not a bag.
        """
        from mcap.exceptions import McapError

        try:
            if self._mcaps:
                for path in self._mcaps:
                    yield from map(_unpacked, self._read_mcap(path))
            else:
                yield from self._read_others()
        except (OSError, ValueError, LookupError, OverflowError, struct.error, McapError) as error:
            said = str(error) or type(error).__name__
            raise UserError(f"{self.path}: {UNREAD} ({said})") from error

    def _read_mcap(self, path: Path) -> Iterator[Message]:
        from mcap.opcode import Opcode

        schemas: dict[int, tuple[str, str, bytes]] = {0: ("", "", b"")}
        topics: dict[int, Topic] = {}
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("not an MCAP file")
            for opcode, content, whole in _records(file, path.stat().st_size):
                if opcode == Opcode.FOOTER:
                    return
                inner: Records = iter([(opcode, content, whole)])
                if opcode == Opcode.CHUNK:
                    inner = _unpack(content, whole)
                for kind, record, complete in inner:
                    if complete and (found := _message(kind, record, schemas, topics)):
                        yield found
        self.cut = f"{path} was cut short; it was read up to its last whole message"

    def _read_others(self) -> Iterator[Message]:
        from apsw import Error
        from rosbags.rosbag1 import Reader as Reader1
        from rosbags.rosbag1 import ReaderError as ReaderError1
        from rosbags.rosbag2 import Reader as Reader2
        from rosbags.rosbag2 import ReaderError as ReaderError2

        old = self.path.suffix == ".bag"
        hint = "rosbag reindex mends it" if old else "sqlite3 FILE .recover saves what is left"
        try:
            with (Reader1 if old else Reader2)(self.path) as reader:
                topics = {c.id: _topic(c) for c in reader.connections}
                for connection, time, data in reader.messages():
                    yield Message(topics[connection.id], time, time, 0, bytes(data))
        except (ReaderError1, ReaderError2, AssertionError) as error:
            raise ValueError(f"{error}; if it was cut short, {hint}") from error
        except (Error, sqlite3.Error) as error:
            raise ValueError(f"{error}; {hint}") from error


@cache
def _store(encoding: str) -> Any:
    """The standard message types."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS1_NOETIC if encoding == "ros1" else Stores.ROS2_JAZZY)


def decode(message: Message) -> Any:
    """The fields of a message of a standard type; UserError if its data are not of that type."""
    from rosbags.serde import SerdeError

    store = _store(message.topic.encoding)
    read = store.deserialize_ros1 if message.topic.encoding == "ros1" else store.deserialize_cdr
    try:
        return read(message.data, message.topic.type)
    except (SerdeError, ValueError, LookupError, struct.error) as error:
        raise UserError(f"{message.topic.name}: a damaged message ({error})") from error


def encode(fields: Any, encoding: str) -> bytes:
    """A message of a class from `standard_type`, in the encoding of a topic."""
    store = _store(encoding)
    write = store.serialize_ros1 if encoding == "ros1" else store.serialize_cdr
    return bytes(write(fields, fields.__msgtype__))


def standard_type(kind: str, encoding: str) -> tuple[Callable[..., Any], tuple[str, str, bytes]]:
    """The class of a standard message, and what `Topic.schema` is for it."""
    store = _store(encoding)
    if encoding == "ros1":
        text, _ = store.generate_msgdef(kind, ros_version=1)
        return store.types[kind], (kind.replace("/msg/", "/"), "ros1msg", text.encode())
    text, _ = store.generate_msgdef(kind, ros_version=2)
    return store.types[kind], (kind, "ros2msg", text.encode())


def _topic(connection: Any) -> Topic:
    """A topic as rosbags describes it."""
    kind, text = connection.msgtype, connection.msgdef.data.encode()
    if not hasattr(connection.ext, "offered_qos_profiles"):
        schema = kind.replace("/msg/", "/"), "ros1msg", text
        return Topic(connection.topic, kind, "ros1", schema)
    from rosbags.rosbag2.metadata import dump_qos_v8

    form = connection.msgdef.format.name
    if form == "NONE" and kind in _store("cdr").types:
        _, schema = standard_type(kind, "cdr")
    else:
        schema = kind, "ros2idl" if form == "IDL" else "ros2msg", text
    qos = dump_qos_v8(connection.ext.offered_qos_profiles)
    return Topic(connection.topic, kind, "cdr", schema, {"offered_qos_profiles": qos})


def _records(file: BinaryIO, size: int) -> Records:
    """The records of an MCAP file or chunk, the last one perhaps cut off, and none after it."""
    while len(head := file.read(9)) == 9:
        length = int.from_bytes(head[1:], "little")
        whole = length <= size - file.tell()
        yield head[0], file.read(length if whole else -1), whole
        if not whole:
            return


def _unpack(content: bytes, whole: bool) -> Records:
    """The records in a chunk; of one that is cut off, those that its beginning holds."""
    import lz4.frame
    import zstandard
    from mcap.data_stream import ReadDataStream
    from mcap.records import Chunk

    chunk = Chunk.read(ReadDataStream(BytesIO(content)))
    size = chunk.uncompressed_size
    if size > CHUNK:
        raise ValueError(f"a chunk of {size:,} bytes, at most {CHUNK:,} are unpacked")
    try:
        match chunk.compression:
            case "":
                data = chunk.data
            case "zstd":
                data = zstandard.ZstdDecompressor().stream_reader(chunk.data).read(size)
            case "lz4":
                data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, size)
            case other:
                raise ValueError(f"chunks compressed by {other!r}")
    except (zstandard.ZstdError, RuntimeError) as error:
        raise ValueError(f"a damaged chunk: {error}") from error
    if whole and chunk.uncompressed_crc not in (0, zlib.crc32(data)):
        raise ValueError("a chunk is damaged; mcap recover saves the others")
    yield from _records(BytesIO(data), len(data))


def _message(
    opcode: int,
    record: bytes,
    schemas: dict[int, tuple[str, str, bytes]],
    topics: dict[int, Topic],
) -> Message | None:
    """A record's message; None if it describes a topic, which is noted, or something else."""
    from mcap import records
    from mcap.data_stream import ReadDataStream
    from mcap.opcode import Opcode

    stream = ReadDataStream(BytesIO(record))
    if opcode == Opcode.SCHEMA:
        schema = records.Schema.read(stream)
        schemas[schema.id] = schema.name, schema.encoding, schema.data
    elif opcode == Opcode.CHANNEL:
        channel = records.Channel.read(stream)
        name, form, text = schemas[channel.schema_id]
        kind = name if "/msg/" in name else name.replace("/", "/msg/")
        topics[channel.id] = Topic(
            channel.topic, kind, channel.message_encoding, (name, form, text), channel.metadata
        )
    elif opcode == Opcode.MESSAGE:
        found = records.Message.read(stream, len(record))
        topic = topics[found.channel_id]
        return Message(topic, found.log_time, found.publish_time, found.sequence, found.data)
    return None


def _unpacked(message: Message) -> Message:
    """A message that rosbag2 compressed by itself, unpacked; no CDR begins like that."""
    if message.topic.encoding != "cdr" or not message.data.startswith(ZSTD):
        return message
    import zstandard

    with zstandard.ZstdDecompressor().stream_reader(message.data) as reader:
        data = reader.read(CHUNK)
    return Message(message.topic, message.logged, message.published, message.sequence, data)
