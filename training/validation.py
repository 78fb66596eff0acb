"""Validation: fusion metrics and pictures of whole frames, fused with the averaged weights."""

import difflib
import json
import math
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from typing_extensions import override

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from training.averaging import AveragedWeights
from training.config import Validation as Settings
from training.data import read_folders
from training.metrics import METRICS
from training.progress import Pace

LOG = "validation.jsonl"


class Validation(Callback):
    """Fuses pairs every so many steps; logs the mean of every metric, and a few panels.

    The means go to the logger and, one line a time, into `validation.jsonl`. The devices of a run
    share the pairs.

    Args:
        settings: what to fuse, how often, and what to make of it.
        averaged: the callback that averages; it has to come before this one.
        pace: told where a validation ends, so that it counts training only.
        folder: of `validation.jsonl`.
        smallest: pixels a side of the smallest frame that the network takes.

    Raises:
        UserError: a metric is unknown, or the folders cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        averaged: AveragedWeights,
        pace: Pace,
        folder: Path,
        smallest: int,
    ) -> None:
        for name in settings.metrics:
            if name not in METRICS:
                nearest = difflib.get_close_matches(name, METRICS, n=1, cutoff=0)[0]
                raise UserError(
                    f"validation.metrics: unknown metric {name}; the nearest is {nearest}"
                )
        folders = read_folders("validation.folders", settings.folders, smallest)
        self.pairs = [pair for pairs in folders for pair in pairs]
        self.settings = settings
        self.averaged = averaged
        self.pace = pace
        self.path = folder / LOG

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        step, settings = trainer.global_step, self.settings
        if not self.pairs or (step % settings.every and step != trainer.max_steps):
            return
        logger = trainer.logger
        assert isinstance(logger, TensorBoardLogger)
        sums = torch.zeros(len(settings.metrics), dtype=torch.float64, device=pl_module.device)
        for index in range(trainer.global_rank, len(self.pairs), trainer.world_size):
            name, frames = self.pairs[index]
            visible, infrared = frames[:2, None].to(pl_module.device)  # each (1, H, W)
            fused = fuse(self.averaged.network, visible, infrared)
            sums += torch.cat([METRICS[m](fused, visible, infrared) for m in settings.metrics])
            if trainer.is_global_zero and index < settings.panels * trainer.world_size:
                panel = torch.cat([visible, infrared, fused], dim=2)  # (1, H, 3 W)
                logger.experiment.add_image(f"validation/{name}", panel, step)
        sums = trainer.strategy.reduce(sums, reduce_op="sum")
        means = dict(zip(settings.metrics, (sums / len(self.pairs)).tolist(), strict=True))
        if trainer.is_global_zero:
            logger.log_metrics({f"validation/{k}": v for k, v in means.items()}, step)
            self._record(step, means)
        self.pace.restart()

    def _record(self, step: int, means: dict[str, float]) -> None:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] < step]  # a resumed run repeats
        finite = {k: v if math.isfinite(v) else None for k, v in means.items()}  # JSON has no NaN
        content = "\n".join([*kept, json.dumps({"step": step, **finite})]) + "\n"
        write_atomically(self.path, content.encode())


@torch.inference_mode()
def fuse(network: torch.nn.Module, visible: Tensor, infrared: Tensor) -> Tensor:
    """Luminances (N, H, W) uint8 in and out, in FP32."""
    luminance, _ = network(visible[:, None] / 255, infrared[:, None] / 255)
    return (luminance[:, 0] * 255).round().to(torch.uint8)
