"""A media server that takes streams over HTTP and keeps them."""

import shutil
import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs the program ffmpeg")


class MediaServer(ThreadingHTTPServer):
    """Keeps the body of each PUT in a file, 0.ts and so on."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.bodies = folder, count()
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), Handler)
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://user:secret@127.0.0.1:{self.server_port}/fused"

    def cut(self) -> None:
        self.shutdown()
        for connection in self.connections:
            with suppress(OSError):  # the other side may be gone
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Takes a body in chunks."""

    server: MediaServer
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.server.connections.append(self.connection)
        with (self.server.folder / f"{next(self.server.bodies)}.ts").open("wb") as file:
            while size := int(self.rfile.readline() or b"0", 16):
                file.write(self.rfile.read(size))
                file.flush()
                self.rfile.readline()
        self.send_response(200)
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silent."""
