"""What a run keeps on disk: `ema.safetensors`, to be used, and `last.ckpt`, to go on from.

Both are replaced whole, so a run that is killed at any moment finds its last ones intact.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from typing_extensions import override

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from training.averaging import AveragedWeights
from training.checkpoints import save_network

WEIGHTS, STATE = "ema.safetensors", "last.ckpt"


class DurableCheckpoints(TorchCheckpointIO):
    """Checkpoints that are flushed to the disk before they take the place of older ones."""

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_atomically(Path(path), content.getvalue())

    @override
    def load_checkpoint(self, path: str | Path, *rest: Any, **options: Any) -> dict[str, Any]:
        try:
            return super().load_checkpoint(path, *rest, **options)
        except Exception as error:  # torch raises a different type for every kind of damage
            raise UserError(f"{path}: not a readable checkpoint ({error})") from error


class Saving(Callback):
    """Saves the averaged weights, then the state of the run.

    Args:
        folder: where to.
        averaged: the callback that averages; it has to come before this one.
        every: steps between two savings; the last step is saved in any case.
        metadata: about the run, written into `ema.safetensors`.
    """

    def __init__(
        self, folder: Path, averaged: AveragedWeights, every: int, metadata: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.averaged = averaged
        self.every = every
        self.metadata = metadata

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every and step != trainer.max_steps:
            return
        if trainer.is_global_zero:
            path = self.folder / WEIGHTS
            save_network(self.averaged.network, path, step=str(step), **self.metadata)
        trainer.save_checkpoint(self.folder / STATE)
