"""What a child of `os.fork` does with backends whose threads stayed with its parent.

An engine that is freed waits for its threads, so the child would never end. It is not freed.
"""

import ctypes
import os
import weakref
from typing import Any, Protocol


class Threaded(Protocol):
    """A backend with threads of its own."""

    def abandon(self) -> None:
        """Keep the engine for ever, and open another one before the next frame."""
        ...


_made: weakref.WeakSet[Threaded] = weakref.WeakSet()


def mind_forks(backend: Threaded) -> None:
    """Have a backend abandon its engine in children of this process."""
    _made.add(backend)


def keep(*parts: Any) -> None:
    """Never free these, not even when the process ends."""
    for part in parts:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(part))


def _after_fork() -> None:
    for backend in _made:
        backend.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
