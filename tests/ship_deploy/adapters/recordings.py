"""Recordings of a rig, as robots make them."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from mcap.writer import CompressionType, Writer

from ship_deploy.adapters.bags import Message, Topic, encode, standard_type
from training.scenes import render

SECOND = 10**9
START = 1_700_000_000 * SECOND
VISIBLE, INFRARED, NOTES = "/cam/image", "/thermal/image", "/notes"


def topic(name: str, kind: str, encoding: str = "cdr") -> Topic:
    _, schema = standard_type(kind, encoding)
    return Topic(name, kind, encoding, schema, {"offered_qos_profiles": ""})


def image(stamp: int, picture: np.ndarray, form: str, frame: str, encoding: str = "cdr"):
    """A sensor_msgs/Image, or CompressedImage if `form` is "png"."""
    header, time = (
        standard_type(f"{n}", encoding)[0]
        for n in ("std_msgs/msg/Header", "builtin_interfaces/msg/Time")
    )
    number = {"seq": 0} if encoding == "ros1" else {}
    head = header(**number, stamp=time(sec=stamp // SECOND, nanosec=stamp % SECOND), frame_id=frame)
    if form == "png":
        kind, _ = standard_type("sensor_msgs/msg/CompressedImage", encoding)
        return kind(header=head, format="png", data=cv2.imencode(".png", picture)[1].ravel())
    kind, _ = standard_type("sensor_msgs/msg/Image", encoding)
    height, width = picture.shape[:2]
    data = np.ascontiguousarray(picture).reshape(-1).view(np.uint8)
    return kind(
        header=head,
        height=height,
        width=width,
        encoding=form,
        is_bigendian=0,
        step=data.size // height,
        data=data,
    )


def drive(
    encoding: str = "cdr",
    compressed: bool = False,
    seconds: int = 1,
    size: tuple[int, int] = (64, 96),
) -> Iterator[Message]:
    """Each second 10 visible frames, 5 infrared ones that come 30 ms late, now and then a note."""
    visible, infrared = render(3, *size)
    kind = "CompressedImage" if compressed else "Image"
    colour = topic(VISIBLE, f"sensor_msgs/msg/{kind}", encoding)
    thermal = topic(INFRARED, "sensor_msgs/msg/Image", encoding)
    note = topic(NOTES, "std_msgs/msg/String", encoding)
    for number in range(10 * seconds):
        stamp = START + number * SECOND // 10
        shown = np.roll(visible, number, axis=1)
        message = image(stamp, shown, "png" if compressed else "bgr8", "cam", encoding)
        yield Message(colour, stamp + 5, stamp + 4, number, encode(message, encoding))
        if number % 2 == 0:
            counts = np.roll(infrared, number, axis=1).astype(np.uint16) * 16 + 7000
            message = image(stamp + 1000, counts, "mono16", "thermal", encoding)
            late = stamp + 30_000_000
            yield Message(thermal, late, late, number, encode(message, encoding))
        if number % 3 == 0:
            text, _ = standard_type("std_msgs/msg/String", encoding)
            yield Message(
                note, stamp + 7, stamp + 7, number, encode(text(data=f"{number}"), encoding)
            )


def write_mcap(
    path: Path,
    messages: Iterator[Message],
    compression: CompressionType = CompressionType.ZSTD,
    chunk: int = 60_000,
) -> Path:
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=chunk, compression=compression)
        writer.start("ros2")
        channels: dict[str, int] = {}
        for m in messages:
            if m.topic.name not in channels:
                name, form, text = m.topic.schema
                schema = writer.register_schema(name, form, text)
                channels[m.topic.name] = writer.register_channel(
                    m.topic.name, m.topic.encoding, schema, m.topic.metadata
                )
            writer.add_message(channels[m.topic.name], m.logged, m.data, m.published, m.sequence)
        writer.finish()
    return path
