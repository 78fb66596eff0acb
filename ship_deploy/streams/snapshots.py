"""Cameras that give one picture a request."""

import time
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    build_opener,
)

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.images import picture_problem
from ship_deploy.names import SUFFIXES

LARGEST = 1 << 26  # bytes of one picture
FASTEST = 1 / 30  # seconds between requests


def is_snapshot(address: str) -> bool:
    """Whether an address names a picture: http://HOST/snapshot.jpg."""
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and parts.path.lower().endswith(tuple(SUFFIXES))


class Snapshots:
    """Asks for a picture, again and again; a `Capture`.

    Args:
        address: http:// or https://, perhaps with user and password, which are sent as the camera
            asks for them (Basic or Digest).
        timeout: seconds in which an answer has to begin, and to go on.

    Raises:
        OSError: there is no picture now.
    """

    def __init__(self, address: str, timeout: float) -> None:
        parts = urlsplit(address)
        user, host = parts.username, parts.netloc.rpartition("@")[2]
        self._address = urlunsplit(parts._replace(netloc=host))
        self._timeout, self._due = timeout, 0.0
        passwords = HTTPPasswordMgrWithDefaultRealm()
        if user is not None:
            password = unquote(parts.password or "")
            passwords.add_password(None, self._address, unquote(user), password)
        handlers = HTTPBasicAuthHandler(passwords), HTTPDigestAuthHandler(passwords)
        self._opener = build_opener(*handlers)
        self._first: NDArray[Any] | None = self._fetch()

    def read(self) -> tuple[NDArray[Any] | None, None]:
        """The next picture; what is none comes as None."""
        first, self._first = self._first, None
        return (self._fetch() if first is None else first), None

    def close(self) -> None:
        """Nothing is open between two requests."""

    def _fetch(self) -> NDArray[Any] | None:
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + FASTEST
        with self._opener.open(self._address, timeout=self._timeout) as answer:
            content = answer.read(LARGEST)
        if picture_problem(content):
            return None
        flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
