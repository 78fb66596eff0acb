"""Sending results on, to a media server that hands them to any number of viewers."""

import logging
import os
import re
import select
import shutil
import subprocess
import threading
import time
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.results import Result
from ship_deploy.streams.reader import BACK_OFF
from ship_deploy.streams.sources import RATE, without_password

CONTAINERS = {"rtsp": "rtsp", "rtmp": "flv", "srt": "mpegts", "udp": "mpegts", "http": "mpegts"}
DEADLINE = 5.0  # seconds in which FFmpeg has to take a picture; the first waits for the server
LATE = 1.0  # seconds of pictures that are made up for after the network stood still
LAST = 0.5  # seconds that the end of the stream may take

_log = logging.getLogger("ship_deploy.streams")


class PushOutput:
    """A live stream to a media server, such as MediaMTX, in H.264; an `Output`.

    The program `ffmpeg` encodes and sends, in a process that can be ended whatever the network
    does. The pipeline is never held up: `write` stores the newest result, which is sent at a
    constant rate; where results come slower, the picture before stands. A server that is not there,
    goes away or hangs is tried again, after a pause that doubles up to 5 s. Pictures of another
    size than a connection's first are scaled to it; odd sizes lose a row or column.

    Args:
        address: rtsp://HOST:PORT/NAME (over TCP), or the like with rtmp, srt, udp or http (PUT).
            A password in it shows in this computer's list of processes.
        rate: pictures per second.
        back_off: seconds, the first pause and the longest.

    Raises:
        UserError: another kind of address, or there is no `ffmpeg`.
    """

    def __init__(
        self, address: str, rate: float = RATE, *, back_off: tuple[float, float] = BACK_OFF
    ) -> None:
        self.name = without_password(address)
        if urlsplit(address).scheme not in CONTAINERS:
            known = ", ".join(f"{scheme}://" for scheme in CONTAINERS)
            raise UserError(f"{self.name}: not the address of a media server ({known})")
        if not shutil.which("ffmpeg"):
            raise UserError(f"{self.name}: ffmpeg is not installed: apt install ffmpeg")
        self.sent = 0  # pictures, over all connections
        self._address, self._rate, self._back_off = address, rate, back_off
        self._first = threading.Event()
        self._closed = threading.Event()
        self._newest: Result | None = None
        self._thread = threading.Thread(target=self._push, name=f"push {self.name}", daemon=True)
        self._thread.start()

    def write(self, result: Result) -> None:
        """Take a result, in place of the one before."""
        self._newest = result
        self._first.set()

    def close(self) -> None:
        """End the stream, without waiting for a server that hangs."""
        self._closed.set()
        self._first.set()
        self._thread.join()

    def _push(self) -> None:
        self._first.wait()
        pause = self._back_off[0]
        while not self._closed.is_set():
            start = time.monotonic()
            try:
                self._send_until_it_fails()
            except OSError as error:
                if time.monotonic() - start > self._back_off[1]:  # it was connected
                    pause = self._back_off[0]
                rare = logging.DEBUG if pause == self._back_off[1] else logging.WARNING
                _log.log(rare, "%s: %s; trying again in %.1f s", self.name, error, pause)
                self._closed.wait(pause)
                pause = min(2 * pause, self._back_off[1])

    def _send_until_it_fails(self) -> None:
        assert self._newest
        height, width = (side // 2 * 2 for side in self._newest.image.shape[:2])
        encoder = _Encoder(self._address, self._rate, (height, width))
        try:
            tick = time.monotonic()
            while not self._closed.wait(max(0.0, tick - time.monotonic())):
                encoder.send(_fit(self._newest.image, height, width), self._closed)
                self.sent += 1
                tick = max(tick + 1 / self._rate, time.monotonic() - LATE)
        finally:
            encoder.close()


class _Encoder:
    """A process of FFmpeg's, which takes pictures of one size, (height, width)."""

    def __init__(self, address: str, rate: float, size: tuple[int, int]) -> None:
        scheme = urlsplit(address).scheme
        source = f"-f rawvideo -pixel_format bgr24 -video_size {size[1]}x{size[0]}"
        source += f" -framerate {rate} -i pipe:0"
        # No picture waits for a later one, and one a second needs none before it.
        coder = f"-c:v libx264 -preset veryfast -tune zerolatency -g {round(rate)}"
        coder += f" -pix_fmt yuv420p -f {CONTAINERS[scheme]}"
        coder += {"rtsp": " -rtsp_transport tcp", "http": " -method PUT"}.get(scheme, "")
        command = f"ffmpeg -hide_banner -nostats -loglevel error {source} {coder}".split()
        self._process = subprocess.Popen(
            [*command, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us, who end the stream
        )
        assert self._process.stdin and self._process.stderr
        self._pipe, self._messages = self._process.stdin, self._process.stderr
        os.set_blocking(self._pipe.fileno(), False)

    def send(self, image: NDArray[np.uint8], closed: threading.Event) -> None:
        """Hand a picture over, or part of it if `closed` is set meanwhile.

        Raises:
            OSError: FFmpeg failed, or took too long.
        """
        rest = memoryview(image.tobytes())
        until = time.monotonic() + DEADLINE
        while rest and not closed.is_set():
            if time.monotonic() > until:
                raise TimeoutError(f"accepted no picture for {DEADLINE:.1f} s")
            if select.select([], [self._pipe], [], 0.1)[1]:
                try:
                    rest = rest[os.write(self._pipe.fileno(), rest) :]
                except BrokenPipeError:
                    raise OSError(self._problem()) from None

    def close(self) -> None:
        self._end()
        self._messages.close()

    def _end(self) -> None:
        """Let the process finish, but not for long."""
        self._pipe.close()
        try:
            self._process.wait(LAST)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _problem(self) -> str:
        """The first thing that FFmpeg complained of; the rest follows from it."""
        self._end()
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return re.sub(r"^\[[^]]*] ", "", without_password(lines[0])) if lines else "FFmpeg ended"


def _fit(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if (image.shape[0] // 2 * 2, image.shape[1] // 2 * 2) == (height, width):
        return image[:height, :width]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
