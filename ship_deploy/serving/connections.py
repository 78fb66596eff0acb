"""A web server that cannot be held up: few connections, none of them for ever."""

import contextlib
import logging
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ship_deploy.errors import UserError

MOST_ANSWERS = 32  # under way at a time, beside those about health
MOST_WAITING = 64  # connections that have not sent a whole request yet
REQUEST = 10.0  # seconds in which a whole request has to come
POLL = 0.1  # seconds between looks at whether to stop
GRACE = 2.0  # seconds that an answer under way may take to end
_log = logging.getLogger("ship_deploy.serving")


class BoundedServer(ThreadingHTTPServer):
    """`ThreadingHTTPServer` in a thread, with limits on connections and an end to all of them.

    Nobody can keep others from being answered by sending nothing, or a byte now and then: a
    connection waits until its request is whole, for 10 seconds at most, and the one that has waited
    for longest makes room for a new one. Whoever is answered holds one of 32 places; questions
    about health need none, so a watchdog learns about the pipeline, not about its viewers.

    Args:
        address: host and port; port 0 for any that is free.
        handler: of requests.

    Raises:
        UserError: the address cannot be used, and why.
    """

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        host, port = address
        self._open: set[Any] = set()
        self._waiting: dict[Any, float] = {}  # since when, the one that waits for longest first
        self._answered: set[Any] = set()
        self._guard = threading.Condition()
        try:
            self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            super().__init__(address, handler)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(
                f"cannot serve on {host}, port {port} ({reason}); give another --serve HOST:PORT"
            ) from error
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL,), name="serving", daemon=True
        )
        self._thread.start()

    def server_bind(self) -> None:
        """Bind, without the base class's look-up of the host's name, which may take minutes."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    @property
    def connections(self) -> int:
        """How many are answered, or watch."""
        return len(self._answered)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection, in place of the one that has waited for longest if there are many."""
        with self._guard:
            self._open.add(request)
            self._wait(request)
        super().process_request(request, client_address)

    def begin_answer(self, request: Any) -> bool:
        """Whether there is a place for an answer; `end_answer` frees it."""
        with self._guard:
            self._waiting.pop(request, None)
            if len(self._answered) >= MOST_ANSWERS:
                return False
            self._answered.add(request)
            return True

    def end_answer(self, request: Any) -> None:
        """A connection that is kept waits for its next request."""
        with self._guard:
            self._answered.discard(request)
            if request in self._open:
                self._wait(request)

    def service_actions(self) -> None:
        """Now and then: end connections whose requests take too long."""
        with self._guard:
            late = time.monotonic() - REQUEST
            for request in [r for r, since in self._waiting.items() if since < late]:
                self._send_away(request)

    def shutdown_request(self, request: Any) -> None:
        """A connection has ended."""
        super().shutdown_request(request)
        with self._guard:
            self._open.discard(request)
            self._waiting.pop(request, None)
            self._answered.discard(request)
            self._guard.notify_all()

    def _wait(self, request: Any) -> None:
        self._waiting.pop(request, None)
        while len(self._waiting) >= MOST_WAITING:
            self._send_away(next(iter(self._waiting)))
        self._waiting[request] = time.monotonic()

    def _send_away(self, request: Any) -> None:
        """Wake the thread of a connection, which finds that it has ended."""
        del self._waiting[request]
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that went away or is too slow is no error."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            _log.exception("an answer failed")

    def close(self) -> None:
        """Stop listening and end all connections; returns when the port is free."""
        self.shutdown()
        self.server_close()
        self._thread.join()
        with self._guard:
            for request in self._open:
                with contextlib.suppress(OSError):  # it may have ended
                    request.shutdown(socket.SHUT_RDWR)  # wakes whoever sends or reads
            self._guard.wait_for(lambda: not self._open, GRACE)
