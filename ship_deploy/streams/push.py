"""Sending results on, to a media server that hands them to any number of viewers."""

import logging
import threading
import time

from ship_deploy.errors import UserError
from ship_deploy.results import Result
from ship_deploy.streams.addresses import show_address
from ship_deploy.streams.encoder import Encoder, check_installed
from ship_deploy.streams.reader import BACK_OFF
from ship_deploy.streams.recordings.codecs import FALLBACK, encoding, find_codec
from ship_deploy.streams.sources import RATE

CONTAINERS = {"rtsp": "rtsp", "rtmp": "flv", "srt": "mpegts", "udp": "mpegts", "http": "mpegts"}
DEADLINE = 5.0  # seconds in which FFmpeg has to take a picture; the first waits for the server
LATE = 1.0  # seconds of pictures that are made up for after the network stood still
LAST = 0.5  # seconds that the end of the stream may take

_log = logging.getLogger("ship_deploy.streams")


class PushOutput:
    """A live stream to a media server, such as MediaMTX, by the codec of recordings; an `Output`.

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
        UserError: another kind of address, or there is no `ffmpeg` that can encode for it.
    """

    def __init__(
        self, address: str, rate: float = RATE, *, back_off: tuple[float, float] = BACK_OFF
    ) -> None:
        self.name = show_address(address)
        scheme = address.partition("://")[0]
        if scheme not in CONTAINERS:
            known = ", ".join(f"{scheme}://" for scheme in CONTAINERS)
            raise UserError(f"{self.name}: not the address of a media server ({known})")
        check_installed(self.name)
        if scheme == "rtmp" and find_codec() is FALLBACK:
            raise UserError(f"{self.name}: this ffmpeg has no encoder of H.264, which RTMP needs")
        options = f"{encoding(rate)} -f {CONTAINERS[scheme]}"
        options += {"rtsp": " -rtsp_transport tcp", "http": " -method PUT"}.get(scheme, "")
        self._options = options
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
                said = {"event": "not_pushing", "problem": str(error), "pause": pause}
                _log.log(
                    *(rare, "%s: %s; trying again in %.1f s", self.name, error, pause), extra=said
                )
                self._closed.wait(pause)
                pause = min(2 * pause, self._back_off[1])

    def _send_until_it_fails(self) -> None:
        assert self._newest
        height, width = self._newest.image.shape[:2]
        encoder = Encoder(self._address, self._options, self._rate, (height, width), DEADLINE)
        try:
            tick = time.monotonic()
            while not self._closed.wait(max(0.0, tick - time.monotonic())):
                encoder.send(self._newest.image, self._closed.is_set)
                self.sent += 1
                tick = max(tick + 1 / self._rate, time.monotonic() - LATE)
        finally:
            encoder.close(LAST)
