"""What a run keeps on disk: `ema.safetensors`, to be used, and `last.ckpt`, to go on from.

Both are replaced whole, so a run that is killed at any moment finds its last ones intact.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from typing_extensions import override

from ship_deploy import console
from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from training.averaging import AveragedWeights
from training.checkpoints import save_network
from training.fusion import Fusion, NotFiniteError
from training.stopping import Stopping
from training.validation import Validation

WEIGHTS, STATE = "ema.safetensors", "last.ckpt"
GO_ON = "go on with run.resume=true"


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
    """Saves the averaged weights, then the state of the run; the last one when it is to end early.

    Args:
        folder: where to.
        averaged: the callback that averages; it has to come before this one.
        every: steps between two savings; the last step is saved in any case.
        stopping: tells when the run is to end early.
        validation: tells what the averaged weights were last judged by.
        data: about the pairs, written into `ema.safetensors`.
    """

    def __init__(
        self,
        folder: Path,
        averaged: AveragedWeights,
        every: int,
        stopping: Stopping,
        validation: Validation,
        data: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.averaged = averaged
        self.every = every
        self.stopping = stopping
        self.validation = validation
        self.data = data

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        step, stop = trainer.global_step, self.stopping.agreed(trainer)
        if step % self.every == 0 or step == trainer.max_steps or stop:
            if not all(tensor.isfinite().all() for tensor in pl_module.parameters()):
                raise NotFiniteError(f"step {step}: weights that are not finite came of it")
            self._save(trainer, pl_module)
        if stop:
            if trainer.is_global_zero:
                console.ERR.print(f"{self.folder}: saved after step {step:,}; {GO_ON}")
            self.stopping.stop()

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """A loss that is not finite is noticed ahead of its step: what came before is sound."""
        sound = isinstance(exception, NotFiniteError) and trainer.global_step
        if sound and all(tensor.isfinite().all() for tensor in pl_module.parameters()):
            self._save(trainer, pl_module)

    def _save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Fusion)
        step, (*before, config) = trainer.global_step, pl_module.stages
        if trainer.is_global_zero:
            about = {
                "step": str(step),
                "training_config": json.dumps(config),
                "training_configs_before": json.dumps(before),
                "data": json.dumps(self.data),
                "validation": json.dumps(self.validation.latest(step)),
            }
            save_network(self.averaged.network, self.folder / WEIGHTS, **about)
        trainer.save_checkpoint(self.folder / STATE)
