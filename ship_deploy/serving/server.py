"""The live page and what else is served; as an output of the pipeline."""

import contextlib
import hmac
import ipaddress
import json
import logging
import select
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from socket import MSG_PEEK, SO_SNDBUF, SOL_SOCKET
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from ship_deploy.errors import UserError
from ship_deploy.results import Recording, Result, Statistics
from ship_deploy.serving.address import names_of_this_machine, parse_address
from ship_deploy.serving.connections import BoundedServer
from ship_deploy.serving.latest import PICTURES, Latest, Picture, Snapshot
from ship_deploy.serving.telemetry import CONTENT_TYPE, write_telemetry

PATIENCE = 10.0  # seconds that a viewer may take to accept an answer
LONGEST_WAIT = 5.0  # seconds that an answer waits for a new picture
STALE = 5.0  # seconds without a result from which on the pipeline is not healthy
BUFFER = 1 << 18  # bytes on their way to a player; more would be old pictures
STALLED = 3.0  # seconds in which a player has to accept a picture
COOKIE = "ship-deploy-token"
BOUNDARY = "ship-deploy-frame"
_log = logging.getLogger("ship_deploy.serving")
_PAGE = files("ship_deploy") / "serving" / "page.html"


class Server:
    """Shows the stream in a browser, as soon as it is made; an `Output`.

    | path | what |
    |---|---|
    | `/` | a page with visible, infrared and fused, live, and the figures |
    | `/fused.mjpg`, `/visible.mjpg`, `/infrared.mjpg` | MJPEG, for any player |
    | `/fused.jpg`, ... | the newest picture; `/snapshot.jpg` is the fused one |
    | `/status.json` | the figures |
    | `/metrics` | the same for Prometheus |
    | `/healthz` | 200 while results come, 503 otherwise, with a line that says why |
    | `/healthz?strict` | 200 while both cameras deliver and what is to be recorded is |

    The pipeline is never held up: `write` stores the newest result, pictures are encoded once and
    only if somebody looks, and a viewer who is slow misses pictures. One who takes none for some
    seconds is sent away. There is no encryption. With a token, only `/healthz` is answered without
    it; it comes as `/?token=TOKEN`, which a browser keeps as a cookie, or as `Authorization:
    Bearer TOKEN`.

    Args:
        address: "HOST:PORT", or a port on this machine only.
        statistics: says how the pipeline does; called from any thread.
        engine: what fuses, as `Fuser.info.as_dict()`.
        token: what a viewer has to know; None if everyone may look.
        recording: says how the recording does, such as `VideoOutput.state`; None if there is none.

    Raises:
        UserError: the address is none, or cannot be used.
    """

    def __init__(
        self,
        address: str,
        statistics: Callable[[], Statistics],
        engine: Mapping[str, str],
        recording: Callable[[], Recording] | None = None,
        token: str | None = None,
    ) -> None:
        host, port = parse_address(address)
        if token == "":
            raise UserError("the token is empty")
        self.token = token
        self.latest, self.statistics, self.engine = Latest(), statistics, dict(engine)
        self.recording = recording
        self.written = -1.0  # when the last result came, on time.monotonic's clock; -1 for never
        handler = type("Handler", (_Handler,), {"server_side": self})
        self.http = BoundedServer((host, port), handler)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.http.server_port}/"
        self.names = names_of_this_machine()
        self.local = ipaddress.ip_address(self.http.server_name).is_loopback
        if not self.local and token is None:
            _log.warning("%s is open to everyone on the network; a token closes it", self.url)

    def write(self, result: Result) -> None:
        """Take a result."""
        self.written = time.monotonic()
        self.latest.put(result)

    def close(self) -> None:
        """End all connections and free the port."""
        self.latest.close()
        self.http.close()

    @property
    def viewers(self) -> int:
        """Connections that are answered now, or watch."""
        return self.http.connections

    def status(self) -> dict[str, Any]:
        """What the page shows, as JSON has it."""
        snapshot = self.latest.snapshot
        healthy, about = self.health()
        return {
            "now": time.monotonic(),
            "healthy": healthy,
            "about": about,
            "fused": bool(snapshot and snapshot.result.fused),
            "reason": snapshot.result.reason if snapshot else "",
            "statistics": asdict(self.statistics()),
            "engine": self.engine,
            "recording": None if self.recording is None else asdict(self.recording()),
            "viewers": self.viewers,
        }

    def health(self, strict: bool = False) -> tuple[bool, str]:
        """Whether results come, and a line about it.

        Args:
            strict: it is not well either if a camera is away, or nothing is recorded that is to be.
        """
        silence = time.monotonic() - self.written
        if self.written < 0:
            return False, "no result yet"
        if silence > STALE:
            return False, f"no result for {silence:.0f} s"
        snapshot = self.latest.snapshot
        reason = snapshot.result.reason if snapshot else ""
        said = [f"not fused: {reason}"] if reason else []
        if self.recording and (problem := self.recording().problem):
            said.append(f"not recording: {problem}")
        if strict:
            now = self.statistics()
            away = {"visible": now.visible, "infrared": now.infrared}
            said += [f"{side}: {s.state}" for side, s in away.items() if s.state != "live"]
        return not (strict and said), "; ".join(said) or "ok"


class _Handler(BaseHTTPRequestHandler):
    server_side: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ship-deploy", ""
    timeout = PATIENCE

    def do_GET(self) -> None:  # the name is the base class's
        url = urlsplit(self.path)
        known = self._is_known(parse_qs(url.query).get("token", [""])[0])
        http = self.server_side.http
        if not self._is_addressed():
            self._send_text(HTTPStatus.FORBIDDEN, "open it as localhost or by its number\n")
        elif url.path == "/healthz":
            strict = "strict" in parse_qs(url.query, keep_blank_values=True)
            healthy, about = self.server_side.health(strict)
            code = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            self._send_text(code, about + "\n" if known else "")
        elif not known:
            self._send_text(HTTPStatus.UNAUTHORIZED, "needs a token: /?token=...\n")
        elif http.begin_answer(self.connection):
            try:
                self._answer(url)
            finally:
                http.end_answer(self.connection)
        else:
            self.close_connection = True
            self._send_text(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers\n")

    def _answer(self, url: SplitResult) -> None:
        name, _, kind = url.path.strip("/").partition(".")
        if kind == "mjpg" and name in PICTURES:
            self._send_video(name)
        elif url.path == "/snapshot.jpg":
            self._send_picture("fused")
        elif kind == "jpg" and name in PICTURES:
            self._send_picture(name)
        else:
            match url.path:
                case "/":
                    self._send(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE.read_bytes())
                case "/frame":
                    self._send_frame(parse_qs(url.query).get("after", ["0"])[0])
                case "/status.json":
                    content = json.dumps(self.server_side.status()).encode()
                    self._send(HTTPStatus.OK, "application/json", content)
                case "/metrics":
                    server = self.server_side
                    recording = server.recording() if server.recording else None
                    told = write_telemetry(
                        server.statistics(), server.engine, server.viewers, recording
                    )
                    self._send(HTTPStatus.OK, CONTENT_TYPE, told)
                case _:
                    self._send_text(HTTPStatus.NOT_FOUND, "there is nothing here; try /\n")

    def _is_known(self, token: str) -> bool:
        """Whether the request holds the token: in its address, its cookie or its header."""
        wanted = self.server_side.token
        if wanted is None:
            return True
        cookie: SimpleCookie = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookie.load(self.headers.get("Cookie", ""))
        kept = cookie[COOKIE].value if COOKIE in cookie else ""
        scheme, _, header = self.headers.get("Authorization", "").partition(" ")
        bearer = header.encode("latin-1") if scheme.lower() == "bearer" else b""  # as it came
        given = token.encode(), unquote(kept).encode(), bearer
        # All are compared, each in a time that does not depend on where it differs.
        same = [hmac.compare_digest(each, wanted.encode()) for each in given]
        return any(same)

    def _is_addressed(self) -> bool:
        """Whether a browser means this server.

        On a server for this machine alone, a page from elsewhere whose name was made to point here
        would see the cameras; its name gives it away.
        """
        name = (self.headers.get("Host") or "localhost").rpartition("@")[2]
        name = name[: name.rfind("]") + 1] if name.startswith("[") else name.partition(":")[0]
        name = name.lower().rstrip(".")
        return not self.server_side.local or _is_number(name) or name in self.server_side.names

    def _send_frame(self, after: str) -> None:
        """All pictures of the newest result in one answer, so that they stay together."""
        seen = int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0
        snapshot = self.server_side.latest.wait(seen, LONGEST_WAIT)
        if snapshot is None:
            self._send(HTTPStatus.NO_CONTENT, "", b"")
            return
        pictures = [snapshot.jpeg(name) for name in PICTURES]
        result = snapshot.result
        header = {
            "sequence": snapshot.sequence,
            "time": result.time,
            "fused": result.fused,
            "reason": result.reason,
            "lengths": list(map(len, pictures)),
        }
        self._send(
            HTTPStatus.OK,
            "application/octet-stream",
            b"".join(pictures),
            {"X-Frame": json.dumps(header)},
        )

    def _send_picture(self, name: Picture) -> None:
        snapshot = self.server_side.latest.snapshot
        content = snapshot.jpeg(name) if snapshot else b""
        if content:
            self._send(HTTPStatus.OK, "image/jpeg", content)
        else:
            self._send_text(HTTPStatus.SERVICE_UNAVAILABLE, f"there is no {name} picture now\n")

    def _send_video(self, name: Picture) -> None:
        self.close_connection = True
        self.connection.setsockopt(SOL_SOCKET, SO_SNDBUF, BUFFER)
        self.connection.settimeout(STALLED)
        self._begin(HTTPStatus.OK, f"multipart/x-mixed-replace; boundary={BOUNDARY}", {})
        for snapshot in self._snapshots():
            content = snapshot.jpeg(name)
            if content:
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                head += f"Content-Length: {len(content)}\r\n\r\n"
                self.wfile.write(head.encode() + content + b"\r\n")

    def _snapshots(self) -> Iterator[Snapshot]:
        """The newest one, again and again, until the server closes."""
        seen = 0
        while not self.server_side.latest.closed:
            snapshot = self.server_side.latest.wait(seen, LONGEST_WAIT)
            if snapshot is not None:
                seen = snapshot.sequence
                yield snapshot
            elif self._is_gone():
                return

    def _is_gone(self) -> bool:
        """Whether the viewer has closed the connection, which a write would tell otherwise."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, MSG_PEEK)

    def _send_text(self, code: HTTPStatus, text: str) -> None:
        self._send(code, "text/plain; charset=utf-8", text.encode())

    def _send(
        self, code: HTTPStatus, kind: str, content: bytes, more: Mapping[str, str] | None = None
    ) -> None:
        length = {} if code == HTTPStatus.NO_CONTENT else {"Content-Length": str(len(content))}
        self._begin(code, kind, {**length, **(more or {})})
        self.wfile.write(content)

    def _begin(self, code: HTTPStatus, kind: str, more: Mapping[str, str]) -> None:
        self.send_response(code)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.server_side.token is not None and self.path.startswith("/?"):
            # What the page asks for later has no token in its address.
            value = quote(self.server_side.token, safe="")
            rest = "Path=/; HttpOnly; SameSite=Strict"
            if code == HTTPStatus.OK:
                self.send_header("Set-Cookie", f"{COOKIE}={value}; {rest}")
        for name, value in more.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: a line a request would bury what matters."""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
