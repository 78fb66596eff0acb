"""The training run: SHIP, its loss and its optimiser in Lightning, and what is left on disk."""

import math
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import (
    LearningRateMonitor,
    ModelCheckpoint,
    TQDMProgressBar,
    WeightAveraging,
)
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, WeightedRandomSampler
from typing_extensions import override

from ship_deploy.errors import UserError
from training.checkpoints import save_network
from training.config import Config, Optimiser
from training.data import Pairs
from training.losses import fusion_losses
from training.networks import SHIP


class Fusion(LightningModule):
    """The network with its loss. Batches are those of `training.data.Pairs`, (N, 3, H, W) uint8."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.network = SHIP(**config.network.model_dump()).to(memory_format=torch.channels_last)

    @override
    def training_step(self, batch: Tensor, _: int) -> Tensor:
        visible, infrared, saliency = (batch.float() / 255).split(1, dim=1)
        _, raw = self.network(visible, infrared)
        with torch.autocast(raw.device.type, enabled=False):  # BF16 slopes would be mostly noise
            terms = fusion_losses(raw.float(), visible, infrared, saliency, self.config.loss)
        loss = torch.stack(list(terms.values())).sum()
        self.log_dict({f"loss/{name}": term for name, term in terms.items()})
        self.log("loss", loss, prog_bar=True)
        return loss

    @override
    def configure_optimizers(self) -> dict[str, Any]:
        settings = self.config.optimiser
        optimiser = torch.optim.Adam(self.network.parameters(), settings.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate_share(step, settings)
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class AveragedWeights(WeightAveraging):
    """Averages the weights and keeps the average on disk, for use while the training goes on.

    Args:
        path: the `.safetensors` to keep.
        decay: of the moving average, once there is a past; at first the average forgets faster.
        save_every: optimiser steps between two savings.
    """

    def __init__(self, path: Path, decay: float, save_every: int) -> None:
        def blend(average: Tensor, weight: Tensor, step: Tensor | int) -> Tensor:
            return average.lerp(weight, max(1 - decay, 9 / (10 + int(step))))

        super().__init__(use_buffers=False, avg_fn=blend)
        self.path = path
        self.save_every = save_every

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, *rest)
        if trainer.global_step % self.save_every == 0:
            assert self._average_model is not None
            self._save(trainer, self._average_model.module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)  # puts the average into the module
        self._save(trainer, pl_module)

    def _save(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.is_global_zero:
            recipe = module.config.model_dump_json()
            save_network(module.network, self.path, step=str(trainer.global_step), recipe=recipe)


def learning_rate_share(step: int, settings: Optimiser) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then half a cosine to `final`."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    progress = (step - settings.warmup) / max(settings.iterations - settings.warmup, 1)
    return settings.final + (1 - settings.final) * (1 + math.cos(math.pi * min(progress, 1))) / 2


def train(config: Config) -> Path:
    """Train a network; everything it leaves is in `run.folder`/`run.name`.

    Returns:
        The averaged weights, `ema.safetensors`. Beside it: `last.ckpt`, from which `run.resume`
        goes on, and TensorBoard's event files.

    Raises:
        UserError: the data cannot be used, the run exists already, or there is none to resume.
    """
    folder = config.run.folder / config.run.name
    last = folder / "last.ckpt"
    if config.run.resume and not last.is_file():
        raise UserError(f"{last}: no such file, so there is nothing to resume")
    if last.is_file() and not config.run.resume:
        raise UserError(f"{folder}: holds a run; go on with run.resume=true or change run.name")
    pairs = Pairs(config.data)

    torch.set_flush_denormal(True)  # on x86, denormals are slow and mean nothing here
    seed_everything(config.run.seed, workers=True, verbose=False)
    settings = config.optimiser
    batches = DataLoader(
        pairs,
        config.data.batch,
        sampler=WeightedRandomSampler(pairs.weights, settings.iterations * config.data.batch),
        num_workers=config.data.workers,
        pin_memory=torch.cuda.is_available(),
    )
    averaged = AveragedWeights(folder / "ema.safetensors", settings.average, config.run.save_every)
    trainer = Trainer(
        max_steps=settings.iterations,
        precision=settings.precision,
        gradient_clip_val=settings.clip,
        logger=TensorBoardLogger(config.run.folder, config.run.name, version=""),
        callbacks=[
            averaged,
            LearningRateMonitor("step"),
            ModelCheckpoint(folder, "last", every_n_train_steps=config.run.save_every),
            TQDMProgressBar(refresh_rate=10),  # rich's bar shows nothing where the output is a file
        ],
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():  # crops of cached frames take microseconds
        warnings.filterwarnings("ignore", "The 'train_dataloader' does not have many workers")
        trainer.fit(Fusion(config), batches, ckpt_path=last if config.run.resume else None)
    return averaged.path
