"""Ctrl-C and SIGTERM end a run after the step at hand, so that its state can be saved."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lightning import Trainer

from ship_deploy.console import SIGNALS, say
from training.parallel import is_first_process


class Stopping:
    """Whether a signal asked the run to end. A second one ends it at once, as without this class.

    Attributes:
        asked: the signal; None so far.
    """

    def __init__(self) -> None:
        self.asked: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals that Python handles, in the main thread, until the end of the block."""
        before = {number: signal.getsignal(number) for number in SIGNALS}

        def ask(number: int, frame: FrameType | None) -> None:
            handler = before[signal.Signals(number)]
            if self.asked is not None and callable(handler):
                handler(number, frame)
            self.asked = number
            if is_first_process():
                say("stopping after this step, to save it; another Ctrl-C stops at once")

        taken = [number for number, handler in before.items() if callable(handler)]
        if threading.current_thread() is not threading.main_thread():
            taken = []
        for number in taken:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number in taken:
                signal.signal(number, before[number])

    def agreed(self, trainer: Trainer) -> bool:
        """Whether any process of the run was asked; all of them have to call this together."""
        asked = self.asked is not None
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        return asked

    def stop(self) -> None:
        """End the run as the signal would have."""
        if self.asked == signal.SIGTERM:
            sys.exit(128 + signal.SIGTERM)
        raise KeyboardInterrupt
