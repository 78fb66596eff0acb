"""Sending results on, to a media server that hands them to any number of viewers."""

import logging
import threading
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from urllib.parse import urlsplit

import cv2
import numpy as np

from ship_deploy.errors import UserError
from ship_deploy.streams.caller import Callers
from ship_deploy.streams.frame import Result
from ship_deploy.streams.reader import BACK_OFF
from ship_deploy.streams.sources import without_password

CONTAINERS = {"rtsp": "rtsp", "rtmp": "flv", "srt": "mpegts", "udp": "mpegts", "http": "mpegts"}
OPEN_DEADLINE, SEND_DEADLINE = 10.0, 2.0  # seconds
LAST = 0.5  # seconds that the end of the stream may take
WHOLE = 1.0  # seconds between pictures that need none before them, for whoever joins
CLOCK = 90_000  # ticks a second

_log = logging.getLogger("ship_deploy.streams")


class PushOutput:
    """A live stream to a media server, such as MediaMTX, in H.264; an `Output`.

    The pipeline is never held up: `write` stores the newest result, and a thread of its own encodes
    it without waiting for later ones. A slow network costs pictures, not latency. A server that is
    not there, goes away or hangs is tried again, after a pause that doubles up to 5 s. Pictures of
    another size than a connection's first are scaled to it; odd sizes lose a row or column.

    Args:
        address: rtsp://HOST:PORT/NAME (over TCP), or the like with rtmp, srt, udp or http (PUT).
        back_off: seconds, the first pause and the longest.

    Raises:
        UserError: another kind of address, or PyAV is missing.
    """

    def __init__(self, address: str, *, back_off: tuple[float, float] = BACK_OFF) -> None:
        self.name = without_password(address)
        if urlsplit(address).scheme not in CONTAINERS:
            known = ", ".join(f"{scheme}://" for scheme in CONTAINERS)
            raise UserError(f"{self.name}: no address to send a stream to ({known})")
        if find_spec("av") is None:
            raise UserError(f"{self.name}: sending needs PyAV: pip install 'ship-deploy[push]'")
        self.sent = 0  # pictures, over all connections
        self._address, self._back_off = address, back_off
        self._changed = threading.Condition()
        self._newest: Result | None = None
        self._closed = False
        self._callers = Callers(f"send {self.name}")
        self._thread = threading.Thread(target=self._push, name=f"push {self.name}", daemon=True)
        self._thread.start()

    def write(self, result: Result) -> None:
        """Take a result; one that still waits is replaced."""
        with self._changed:
            self._newest = result
            self._changed.notify()

    def close(self) -> None:
        """End the stream, without waiting for a server that hangs."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(LAST)
        self._callers.give_up()
        self._callers.join(LAST)

    def _take(self) -> Result | None:
        """The newest result, once; None when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._closed)
            result, self._newest = self._newest, None
            return result

    def _push(self) -> None:
        pause = self._back_off[0]
        while first := self._take():
            before = self.sent
            try:
                self._send_until_it_fails(first)
            except Exception as error:
                if self._closed:
                    return
                if self.sent > before:
                    pause = self._back_off[0]
                # Without FFmpeg's own message, which shows the address with its password.
                problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
                rare = logging.DEBUG if pause == self._back_off[1] else logging.WARNING
                _log.log(rare, "%s: %s; trying again in %.1f s", self.name, problem, pause)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, pause)
                if self._closed:
                    return
            pause = min(2 * pause, self._back_off[1])

    def _send_until_it_fails(self, first: Result) -> None:
        caller = self._callers.start()
        connection: _Connection | None = None
        try:
            connection = caller.call(partial(_Connection, self._address, first), OPEN_DEADLINE)
            result: Result | None = first
            while result:
                caller.call(partial(connection.send, result), SEND_DEADLINE)
                if not self.sent:
                    _log.info("%s: live", self.name)
                self.sent += 1
                result = self._take()
        finally:
            caller.leave(connection.close if connection else None)


class _Connection:
    """One connection to the server, and the encoder of what goes there."""

    def __init__(self, address: str, first: Result) -> None:
        import av

        self._av, self._start = av, first.time
        self._pts, self._whole = -1, -WHOLE
        scheme = urlsplit(address).scheme
        options = {"rtsp": {"rtsp_transport": "tcp"}, "http": {"method": "PUT"}}.get(scheme, {})
        self._container = av.open(address, "w", format=CONTAINERS[scheme], options=options)
        encoder = {"preset": "veryfast", "tune": "zerolatency", "forced-idr": "1"}
        self._stream = self._container.add_stream("libx264", options=encoder)
        height, width = first.image.shape[:2]
        self._stream.width, self._stream.height = width // 2 * 2, height // 2 * 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, CLOCK)
        self._container.start_encoding()

    def send(self, result: Result) -> None:
        width, height = self._stream.width, self._stream.height
        image, seconds = result.image, result.time - self._start
        if (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2) == (width, height):
            image = image[:height, :width]
        else:
            resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            image = np.asarray(resized, np.uint8)
        frame = self._av.VideoFrame.from_ndarray(image, format="bgr24")
        self._pts = max(self._pts + 1, round(seconds * CLOCK))  # a clock may have been set back
        frame.pts, frame.time_base = self._pts, Fraction(1, CLOCK)
        if seconds - self._whole >= WHOLE:
            self._whole = seconds
            frame.pict_type = self._av.video.frame.PictureType.I
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
