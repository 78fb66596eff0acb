"""Calls with a deadline, of functions that may never return."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """A thread that makes calls for another one, which can stop waiting.

    No thread can be ended from outside. One that hangs in a driver is left to itself: it ends
    when the driver lets it go, and does not keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]] | None] = SimpleQueue()
        self._answer: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T], timeout: float) -> T:
        """What `function` returns or raises.

        Raises:
            TimeoutError: it took longer than `timeout` seconds; then only `leave` may follow.
        """
        answer = self._answer
        self._calls.put((function, answer))
        try:
            succeeded, value = answer.get(timeout=timeout)
        except Empty:
            raise TimeoutError(f"no answer for {timeout:.1f} s") from None
        if succeeded:
            return value  # type: ignore[no-any-return]
        raise value

    def give_up(self) -> None:
        """Let the thread that waits in `call`, or will, go on at once with a TimeoutError."""
        self._answer.put((False, TimeoutError("stopped")))

    def leave(self, last: Callable[[], None] | None) -> None:
        """Make one last call, as soon as a call under way returns, then end the thread."""
        if last:
            self._calls.put((last, SimpleQueue()))
        self._calls.put(None)

    def join(self, timeout: float) -> None:
        """Wait for the thread's end, after `leave`."""
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while call := self._calls.get():
            function, answer = call
            try:
                answer.put((True, function()))
            except Exception as error:
                answer.put((False, error))
            del call, function, answer  # hold no frame while waiting
