"""What is attacked: for each kind of input a function that takes bytes, as a stranger gives them.

It returns, or raises `UserError` or `RefusalError`. Everything else, a hang and a lot of memory are
findings.
"""

import contextlib
import json
import logging
import socket
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ship_deploy.errors import UserError
from ship_deploy.frames import PIXELS

Target = Callable[[bytes], object]


class RefusalError(Exception):
    """The input was refused as it should be, where the code says so by other means."""


@cache
def folder() -> Path:
    """A folder in memory where there is one; left to the system's clean-up of temporary files."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))


def write(name: str, content: bytes) -> Path:
    path = folder() / name
    path.write_bytes(content)
    return path


def artifact(content: bytes) -> None:
    from ship_deploy.artifact import read_artifact

    _ = read_artifact(write("model.onnx", content)).properties


def sealed(content: bytes) -> None:
    """A model whose seal is right all the same, run on a frame if it loads."""
    from ship_deploy.artifact import read_artifact, seal
    from ship_deploy.backends.onnxruntime import OnnxRuntime

    path = write("sealed.onnx", seal(content))
    backend = OnnxRuntime(read_artifact(path), "cpu", 1)
    backend.run(np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 16, 16), np.uint8))


def passport(content: bytes) -> None:
    """The passport of an engine, whose digests are right where it is JSON."""
    from ship_deploy.engines import passport

    engine = write("a.engine", b"engine")
    try:
        body = json.loads(content)
        content = passport._render(body)
    except (ValueError, TypeError, RecursionError):
        pass
    passport.passport_path(engine).write_bytes(content)
    _, found = passport.read_whole(engine)
    json.dumps(found.as_json)
    _ = found.recipe.key, str(found.recipe.profile), found.recipe.command("a.engine")


def calibration(content: bytes) -> None:
    from ship_deploy.geometry.calibration import read_calibration

    found = read_calibration(write("rig.json", content))
    found.align(np.zeros(found.infrared_size, np.uint8), found.visible_size)
    found.view()


def points(content: bytes) -> None:
    from ship_deploy.geometry.homography import estimate
    from ship_deploy.geometry.points import read_points

    estimate(*read_points(write("points.csv", content)), (256, 320))


def pairs(content: bytes) -> None:
    from ship_deploy.images import read_pairs

    read_pairs(write("pairs.csv", content))


def images(content: bytes) -> None:
    """Decoded as either kind; refused if it is neither."""
    from ship_deploy.images import read_infrared, read_visible

    path = write("image", content)
    refusals = []
    for read in (read_visible, read_infrared):
        try:
            read(path)
        except UserError as error:
            refusals.append(error)
    if len(refusals) == 2:
        raise refusals[0]


def dead_pixels(content: bytes) -> None:
    from ship_deploy.thermal.dead_pixels import read_dead_pixels

    read_dead_pixels(write("dead.png", content))


def video(content: bytes) -> None:
    """As FFmpeg finds by the content: AVI, MP4, Matroska, MJPEG."""
    from ship_deploy.streams import VideoFile
    from ship_deploy.streams.sources import readable

    source = VideoFile(write("video", content), infrared=True)
    assert source.rate > 0
    try:
        capture = source.open()
    except OSError as error:
        raise RefusalError from error
    for _ in range(5):
        if (grabbed := capture.read()) is None:
            break
        readable(grabbed[0])
    capture.close()


def recording(content: bytes) -> None:
    """An MCAP file, and the images in it."""
    from ship_deploy.adapters.bags import Bag, decode
    from ship_deploy.adapters.ros_images import COMPRESSED, IMAGE, to_image

    for message in Bag(write("drive.mcap", content)).messages():
        if message.topic.type in (IMAGE, COMPRESSED) and message.topic.encoding in ("cdr", "ros1"):
            to_image(decode(message))


def safetensors(content: bytes) -> None:
    from ship_deploy.checkpoint import read_checkpoint
    from training.checkpoints import load_network, read_metadata

    path = write("a.safetensors", content)
    with contextlib.suppress(UserError):
        json.dumps(read_checkpoint(path).metadata)
    load_network(path)
    read_metadata(path)


def pth(content: bytes) -> None:
    from training.checkpoints import load_network

    load_network(write("a.pth", content))


def config(content: bytes) -> None:
    from training.config import load_config

    load_config(write("config.yaml", content))


def decoded(content: bytes) -> None:
    """An entry of the cache of decoded frames."""
    from training.cache import load

    if load(write("entry.npy", content)) is None:
        raise RefusalError


def recording_index(content: bytes) -> None:
    """The index of a recording, and when its files begin and end."""
    from ship_deploy.commands.find import _local
    from ship_deploy.streams.recordings.index import read_index

    parts = read_index(write("night.jsonl", content))
    if not parts:
        raise RefusalError
    for part in parts:
        with contextlib.suppress(OSError):  # a ValueError would be NUL in the name
            part.path.stat()
        _local(part.begin)
        assert part.rate > 0 and (part.end is None or _local(part.until))


def bench(content: bytes) -> None:
    """A file of measurements: compared, and in tables."""
    from ship_deploy.bench import records

    found = records.read_record(write("bench.json", content))
    lines = list(records.rows([found]))
    heads = records.heading(records.all_percentiles([found]))
    records.markdown(heads, lines), records.as_csv(heads, lines)
    records.compare(found, found)


class Complaints(logging.Handler):
    """Remembers what the server logs: an answer that failed."""

    last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.last = record.exc_info[1]


@cache
def server() -> tuple[Any, Complaints]:
    from ship_deploy.serving import Server
    from ship_deploy.serving import server as module
    from tests.ship_deploy.serving.conftest import ENGINE, STATISTICS, result

    module.LONGEST_WAIT = 0.02  # seconds; what would come next does not come
    complaints = Complaints()
    logging.getLogger("ship_deploy.serving").addHandler(complaints)
    serving = Server("0", lambda: STATISTICS, ENGINE, token="secret")
    serving.write(result())
    return serving, complaints


def requests(content: bytes) -> None:
    """Whatever comes over one connection to the page, which then gets no more."""
    serving, complaints = server()
    complaints.last = None
    with socket.create_connection(("127.0.0.1", serving.http.server_port), timeout=20) as viewer:
        with contextlib.suppress(OSError):  # the server may close first
            viewer.sendall(content)
            viewer.shutdown(socket.SHUT_WR)
        read = 0
        with contextlib.suppress(ConnectionError):
            while read < 1 << 16 and (more := viewer.recv(1 << 16)):
                read += len(more)
    if complaints.last:
        raise complaints.last


# The environment of an attack: pictures so small that much time and memory is not their fault, and
# what configs name.
SETTINGS = {PIXELS: "1000000", "SHIP_DEPLOY_DATA": "data"}
TARGETS: dict[str, Target] = {
    each.__name__: each
    for each in (
        *(artifact, sealed, passport, calibration, points, pairs, images, dead_pixels, video),
        *(recording, safetensors, pth, config, decoded, recording_index, bench, requests),
    )
}


def attack(name: str, content: bytes) -> bool:
    """Give a target an input.

    Returns:
        whether the input was accepted.

    Raises:
        Exception: of any other kind than a refusal: a finding.
    """
    try:
        TARGETS[name](content)
    except (UserError, RefusalError):
        return False
    return True
