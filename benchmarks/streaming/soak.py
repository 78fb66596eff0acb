"""A stream that runs for long and is disturbed: whether it grows, and keeps its accounts."""

import contextlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from benchmarks.streaming.cameras import DrawnCamera, resident
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.streams import Pipeline, Server, VideoOutput

MOST_GROWTH = 10e6  # bytes after the warm-up
MOST_MORE = 5  # descriptors and threads after the warm-up; viewers come and go
SAMPLE = 20  # results between two looks at the process
RATE = 400.0  # frames per second of the cameras
CUT = 500  # frames after which a connection breaks
SEGMENT = 10.0  # seconds of a recorded file
KEPT = 3  # recorded files that are not removed
DISTURB = 7.0  # seconds between two disturbances


@dataclass(frozen=True)
class Soak:
    """Two live cameras whose connections break now and then, and a stand-in for the network.

    The stream is recorded and shown. Meanwhile the encoder of the recording is killed, viewers
    stall, leave in the middle of a picture, or ask for everything else that the page has.

    Attributes:
        size: height x width of the visible frames; infrared ones have half of that.
        results: that came out.
        fused: of them.
        received: frames that came in, both sides.
        reconnections: of both cameras.
        disturbances: of the recording and by viewers.
        files: that were recorded.
        unaccounted: frames that came in and were neither fused nor dropped for a reason.
        resident: bytes in memory during each tenth of the run, the median; it swings by what the
            queues hold.
        descriptors: open files, pipes and sockets, in the same way.
        threads: the same.
        growth: bytes that any tenth has beyond the first, which is the warm-up.
        more: descriptors or threads that any tenth has beyond the first, the larger number.
        peak: the most bytes that were seen.
        seconds: the run.
    """

    size: str
    results: int
    fused: int
    received: int
    reconnections: int
    disturbances: int
    files: int
    unaccounted: int
    resident: list[int]
    descriptors: list[int]
    threads: list[int]
    growth: int
    more: int
    peak: int
    seconds: float


def soak(frames: int, height: int, width: int, leak: int = 0, hold: bool = False) -> Soak:
    """Run until `frames` results came out.

    Args:
        frames: results.
        height: of the visible frames.
        width: of the visible frames.
        leak: bytes to lose with every result, to see that it is seen.
        hold: whether to lose a descriptor at every look at the process, for the same reason.
    """
    lost: list[Any] = []
    visible = DrawnCamera("visible", (height, width, 3), rate=RATE, cut=CUT)
    infrared = DrawnCamera("infrared", (height // 2, width // 2), rate=RATE, cut=CUT + 1)
    samples: list[tuple[int, int, int]] = []
    with (
        Pipeline(visible, infrared, _average, back_off=(0.001, 0.01)) as pipeline,
        tempfile.TemporaryDirectory() as folder,
    ):
        recorder = VideoOutput(Path(folder, "soak.mkv"), 5, segment=SEGMENT, live=True)
        server = Server("0", pipeline.statistics, {}, recorder.state)
        disturber = Disturber(server.url, Path(folder))
        try:
            with disturber.running():
                for number, result in enumerate(pipeline, 1):
                    recorder.write(result)
                    server.write(result)
                    if leak:
                        lost.append(bytes(leak))
                    if number % SAMPLE == 0:
                        samples.append(look())
                        if hold:
                            lost.append(os.dup(0))
                    if number == frames:
                        break
        finally:
            with contextlib.suppress(UserError):  # parts are missing, where its encoder was killed
                recorder.close()
            server.close()
        files = disturber.removed + len([*Path(folder).glob("*.mkv")])
    tenths = np.array([np.median(tenth, axis=0) for tenth in np.array_split(samples, 10)])
    memory, descriptors, threads = tenths.round().astype(int).T.tolist()
    statistics = pipeline.statistics()
    sides = statistics.visible, statistics.infrared
    settled = sum(side.fused + sum(side.dropped.values()) for side in sides)
    received = sum(side.received for side in sides)
    return Soak(
        size=f"{height}x{width}",
        results=statistics.fused + statistics.alone,
        fused=statistics.fused,
        received=received,
        reconnections=sum(side.reconnections for side in sides),
        disturbances=disturber.count,
        files=files,
        unaccounted=received - settled,
        resident=memory,
        descriptors=descriptors,
        threads=threads,
        growth=max(memory) - memory[0],
        more=max(max(held) - held[0] for held in (descriptors, threads)),
        peak=max(sample[0] for sample in samples),
        seconds=statistics.uptime,
    )


def look() -> tuple[int, int, int]:
    """Bytes in memory, descriptors and threads of this process."""
    process = Path("/proc/self")
    return resident(), len([*(process / "fd").iterdir()]), len([*(process / "task").iterdir()])


class Disturber:
    """What a stream meets in the field, in turns, from a thread of its own.

    Attributes:
        count: disturbances.
        removed: recorded files that it removed, the oldest.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._end = threading.Event()
        self.count = self.removed = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Disturb while the block runs."""
        thread = threading.Thread(target=self._disturb, name="disturb", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()

    def _disturb(self) -> None:
        host, port = self._url.removeprefix("http://").rstrip("/").split(":")
        ways = (self._ask, self._kill_encoder, self._leave, self._stall)
        while not self._end.wait(DISTURB / len(ways)):
            with contextlib.suppress(OSError):  # it is the stream that has to hold
                ways[self.count % len(ways)]((host, int(port)))
            self.count += 1
            for path in sorted(self._folder.glob("*.mkv"), key=lambda p: p.stat().st_mtime)[:-KEPT]:
                path.unlink()
                self.removed += 1

    def _ask(self, address: tuple[str, int]) -> None:
        for path in ("", "metrics", "status.json", "fused.jpg", "visible.jpg", "frame", "none"):
            with contextlib.suppress(OSError), urlopen(self._url + path, timeout=10) as answer:
                answer.read()

    def _leave(self, address: tuple[str, int]) -> None:
        with socket.create_connection(address, timeout=10) as viewer:
            viewer.sendall(b"GET /fused.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            viewer.recv(5000)

    def _stall(self, address: tuple[str, int]) -> None:
        """Longer than the server allows."""
        with socket.create_connection(address, timeout=10) as viewer:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            viewer.sendall(b"GET /visible.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self._end.wait(4)

    def _kill_encoder(self, address: tuple[str, int]) -> None:
        for children in Path("/proc/self/task").glob("*/children"):
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)


def run(output: Path, frames: int, height: int, width: int) -> str:
    """Soak; write `soak.json` and `soak.md`.

    Returns:
        The Markdown table.

    Raises:
        UserError: memory, descriptors or threads grew, or a frame is unaccounted for; the files
            are written first.
    """
    make_folder(output)
    result = soak(frames, height, width)
    content = {"machine": machine.describe(), "soak": asdict(result)}
    table = tabulate(content)
    record.write(output, "soak", content, table)
    check(result)
    return table


def check(result: Soak) -> None:
    """Raise a UserError if a soak did not go as it should."""
    if result.growth > MOST_GROWTH:
        raise UserError(
            f"memory grew by {result.growth / 1e6:.1f} MB, the limit is {MOST_GROWTH / 1e6:.0f} MB"
        )
    if result.more > MOST_MORE:
        raise UserError(
            f"descriptors or threads grew by {result.more}, the limit is {MOST_MORE}: "
            f"{result.descriptors}, {result.threads}"
        )
    if result.unaccounted:
        raise UserError(f"{result.unaccounted} frames are unaccounted for")


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `soak.json`."""
    host, r = content["machine"], content["soak"]
    return (
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}. Two live cameras "
        f"of {RATE:.0f} Hz whose connections break every {CUT} frames, and a stand-in for the "
        f"network, for {r['seconds'] / 60:.1f} minutes. The stream is recorded and shown; the "
        "recording's encoder is killed, and viewers stall or leave.\n\n"
        "| size | results | fused | frames in | unaccounted | reconnections | disturbances "
        "| files | memory | peak | growth | descriptors | threads |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        f"| {r['size']} | {r['results']} | {r['fused']} | {r['received']} | {r['unaccounted']} "
        f"| {r['reconnections']} | {r['disturbances']} | {r['files']} "
        f"| {r['resident'][0] / 1e6:.0f} MB | {r['peak'] / 1e6:.0f} MB "
        f"| {r['growth'] / 1e6:.1f} MB | {_range(r['descriptors'])} | {_range(r['threads'])} |\n"
    )


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _average(visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return visible // 2 + infrared[..., None] // 2
