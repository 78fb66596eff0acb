import base64
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from ship_deploy.streams import Camera, Pipeline
from ship_deploy.streams.snapshots import is_snapshot


class Handler(BaseHTTPRequestHandler):
    """A picture a request, brighter each time; `scheme` is what it wants to be asked by."""

    scheme, count = "", 0
    content: bytes | None = None

    def do_GET(self) -> None:
        cls = type(self)
        given = self.headers.get("Authorization", "")
        if not self.knows(given):
            self.send_response(401)
            nonce = ', nonce="n", qop="auth"' if self.scheme == "Digest" else ""
            self.send_header("WWW-Authenticate", f'{self.scheme} realm="r"{nonce}')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        cls.count += 1
        picture = np.full((48, 64, 3), 40 * (cls.count % 6), np.uint8)
        content = self.content
        if content is None:
            content = cv2.imencode(".jpg", picture)[1].tobytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def knows(self, given: str) -> bool:
        if self.scheme == "Basic":
            return given == "Basic " + base64.b64encode(b"admin:p@ss/1").decode()
        if self.scheme == "Digest":
            if not given.startswith("Digest "):
                return False
            said = dict(part.strip().split("=", 1) for part in given[7:].split(","))
            said = {key: value.strip('"') for key, value in said.items()}
            one = hashlib.md5(b"admin:r:p@ss/1").hexdigest()
            two = hashlib.md5(f"GET:{said['uri']}".encode()).hexdigest()
            text = f"{one}:n:{said['nc']}:{said['cnonce']}:auth:{two}"
            return said["response"] == hashlib.md5(text.encode()).hexdigest()
        return True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def camera():
    """Makes the address of a camera that works in some way."""
    servers = []

    def make(user="", **behaviour) -> str:
        handler = type("Handler", (Handler,), behaviour)
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        serve = servers[-1].serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://{user}127.0.0.1:{servers[-1].server_port}/snapshot.JPG?size=1"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("scheme", ["", "Basic", "Digest"])
def test_one_picture_after_the_other(camera, scheme):
    capture = Camera(camera("admin:p%40ss%2F1@" if scheme else "", scheme=scheme)).open()
    shades = [int(capture.read()[0][0, 0, 0]) for _ in range(4)]
    assert shades == pytest.approx([40, 80, 120, 160], abs=3)
    assert capture.read()[1] is None  # it has no clock
    capture.close()


def test_a_wrong_password_is_told(camera):
    source = Camera(camera("admin:wrong@", scheme="Basic"))
    with pytest.raises(OSError, match="401"):
        source.open()
    assert "wrong" not in source.name


BOMB = b"P6\n60000 60000\n255\n" + bytes(100)


@pytest.mark.parametrize("content", [b"", b"<html>", BOMB])
def test_what_is_no_picture_is_unreadable(camera, content):
    assert Camera(camera(content=content)).open().read() == (None, None)


def test_two_such_cameras_are_fused(camera):
    cameras = Camera(camera()), Camera(camera())
    fused = 0
    until = time.monotonic() + 60
    with Pipeline(*cameras, lambda visible, infrared: visible) as pipeline:
        for result in pipeline:
            fused += result.fused
            if fused == 5 or time.monotonic() > until:
                break
    assert fused == 5 and pipeline.statistics().visible.reconnections == 0


def test_which_addresses_are_snapshots():
    assert is_snapshot("https://h:1/a/b.jpeg?x=1") and is_snapshot("http://u:p@h/now.PNG")
    for other in ("http://h/video.mjpg", "http://h/", "rtsp://h/a.jpg", "http://h/x?file=a.jpg"):
        assert not is_snapshot(other)
