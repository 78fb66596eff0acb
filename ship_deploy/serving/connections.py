"""A web server that cannot be held up: few connections, none of them for ever."""

import contextlib
import logging
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ship_deploy.errors import UserError

MOST_CONNECTIONS = 32
POLL = 0.1  # seconds between looks at whether to stop
GRACE = 2.0  # seconds that an answer under way may take to end
_log = logging.getLogger("ship_deploy.serving")
FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BoundedServer(ThreadingHTTPServer):
    """`ThreadingHTTPServer` in a thread, with a limit on connections and an end to all of them.

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
        """How many are open."""
        return len(self._open)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection, or send it away."""
        with self._guard:
            full = len(self._open) >= MOST_CONNECTIONS
            if not full:
                self._open.add(request)
        if full:
            request.setblocking(False)
            with contextlib.suppress(OSError):
                request.send(FULL)
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection has ended."""
        super().shutdown_request(request)
        with self._guard:
            self._open.discard(request)
            self._guard.notify_all()

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
