"""How far a run is: a bar with loss, images per second and the time left."""

import sys
import time
from collections import deque
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from tqdm import tqdm
from typing_extensions import override


def tell(line: str) -> None:
    """A line on standard error, above the bar that is shown."""
    tqdm.write(line, file=sys.stderr)


class Pace(Callback):
    """Logs the images per second of all devices together, over the last 50 steps.

    Args:
        batch: crops of one step.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.ends: deque[float] = deque(maxlen=51)  # seconds, of steps

    def restart(self) -> None:
        """Forget the past steps, after work that is no training."""
        self.ends.clear()

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) > 1:
            pace = self.batch * (len(self.ends) - 1) / (self.ends[-1] - self.ends[0])
            pl_module.log("images/s", pace, prog_bar=True)


class Bar(TQDMProgressBar):
    """Counts the steps of the whole run, those before it was resumed included.

    It writes lines into a file where the output is one; rich's bar would show nothing.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)

    @override
    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        super().on_train_start()
        self.train_progress_bar.total = trainer.max_steps
        self.train_progress_bar.initial = self.train_progress_bar.n = trainer.global_step

    @override
    def on_exception(self, *_: Any) -> None:
        """End the line, so that the next one says what happened."""
        if self._train_progress_bar is not None:
            self._train_progress_bar.close()

    @override
    def on_train_epoch_start(self, *_: Any) -> None:
        """A run is one epoch; the base class would begin to count anew."""
