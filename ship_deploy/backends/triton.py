"""Triton Inference Server: frames go to a model on a server, over HTTP or gRPC."""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from ship_deploy.artifact import VERSION
from ship_deploy.backends.address import Address
from ship_deploy.backends.info import Info
from ship_deploy.backends.triton_connection import (
    Connection,
    ForgottenError,
    LateError,
    UnavailableError,
    in_thread_of_http,
    load_api,
)
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames

PAUSE = 0.05  # seconds before the first further attempt; each one after waits twice as long
T = TypeVar("T")


class Triton:
    """A model on a Triton server.

    A frame that is not answered within the deadline, or after the last attempt, is a UserError.
    From then on each frame is tried once, until the server answers again. Calls at the same time
    have a connection each.

    Args:
        address: of the model.

    Raises:
        UserError: tritonclient is missing, the server does not answer, has no such model, or the
            model does not take what `Fuser` gives.
    """

    frames_in_flight = 1

    def __init__(self, address: Address) -> None:
        for name in ("ca", "cert", "key"):
            file = getattr(address, name)
            if file is not None and not Path(file).is_file():
                raise UserError(f"{address}: {name} is {file}, and there is no such file")
        self._address = address
        self._api = load_api(address.protocol)
        self._process = os.getpid()
        self._own = threading.local()
        self._away = False
        facts = self._attempt(lambda connection, seconds: connection.describe(seconds))
        self.info = Info(
            model=str(address),
            precision=facts.get("precision", "unknown"),
            digest=facts.get("digest", "unknown"),
            backend="triton",
            device=f"{facts['backend']} on {address.place}",
            versions={
                "triton": facts["server"],
                "tritonclient": version("tritonclient"),
                "ship-deploy": VERSION,
            },
        )

    def start(self, *inputs: Frames) -> Callable[[], Frames]:
        """The work itself is done when what is returned is called."""
        return partial(self.run, *inputs)

    def run(self, *inputs: Frames) -> Frames:
        """Send a frame, and wait for the fused one.

        Raises:
            UserError: the server is unavailable or late, or refuses the frame, and why; or in a
                process that was forked from the one that made this object.
        """
        if self._process != os.getpid():
            raise UserError(
                "this Fuser was made before os.fork, and its connections do not work across it; "
                "make one in each process, or start processes by spawn"
            )
        return self._attempt(lambda connection, seconds: connection.fuse(inputs, seconds))

    def _attempt(self, call: Callable[[Connection, float], T]) -> T:
        """What `call` returns, of the first attempt that the server answers."""
        if self._address.protocol == "http":
            return in_thread_of_http(lambda: self._attempt_here(call))
        return self._attempt_here(call)

    def _attempt_here(self, call: Callable[[Connection, float], T]) -> T:
        until = time.monotonic() + self._address.deadline
        attempts = 1 if self._away else 1 + self._address.retries
        pause = PAUSE
        while True:
            connection = getattr(self._own, "connection", None)
            if connection is None:
                connection = self._own.connection = Connection(self._api, self._address)
            try:
                answer = call(connection, max(until - time.monotonic(), 0.001))
            except ForgottenError:
                self._own.connection = None
            except (UnavailableError, LateError) as error:
                self._own.connection = None
                connection.abandon()
                attempts -= 1
                late = isinstance(error, LateError) or time.monotonic() + pause >= until
                if late or attempts == 0:
                    self._away = True
                    raise UserError(f"{self._address}: {error}") from error
                time.sleep(pause)
                pause *= 2
            else:
                self._away = False
                return answer
