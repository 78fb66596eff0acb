"""Validation: fusion metrics and pictures of whole frames, fused with the averaged weights."""

import difflib
import json
import math
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from tqdm import tqdm
from typing_extensions import override

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from training.averaging import AveragedWeights
from training.config import Validation as Settings
from training.data import read_folders
from training.metrics import METRICS
from training.progress import Pace
from training.stopping import Stopping

TITLES = ("visible", "infrared", "fused")
STRIP = 16  # pixels above a panel, for its titles
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
        stopping: tells when to leave off; what was measured by then is not recorded.

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
        stopping: Stopping,
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
        self.stopping = stopping

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        step, settings = trainer.global_step, self.settings
        if not self.pairs or (step % settings.every and step != trainer.max_steps):
            return
        sums = torch.zeros(len(settings.metrics), dtype=torch.float64, device=pl_module.device)
        mine = range(trainer.global_rank, len(self.pairs), trainer.world_size)
        speaks = trainer.is_global_zero
        title = f"Validating step {step:,}"
        for index in tqdm(mine, title, leave=False, file=sys.stdout, disable=not speaks):
            if trainer.world_size == 1 and self.stopping.asked is not None:
                return
            name, frames, _ = self.pairs[index]
            visible, infrared = frames[:2, None].to(pl_module.device)  # each (1, H, W)
            fused = fuse(self.averaged.network, visible, infrared)
            sums += torch.cat([METRICS[m](fused, visible, infrared) for m in settings.metrics])
            if speaks and index < settings.panels * trainer.world_size:
                _log(trainer).experiment.add_image(
                    f"validation/{name}", panel(visible, infrared, fused), step
                )
        sums = trainer.strategy.reduce(sums, reduce_op="sum")
        means = dict(zip(settings.metrics, (sums / len(self.pairs)).tolist(), strict=True))
        if speaks:
            _log(trainer).log_metrics({f"validation/{k}": v for k, v in means.items()}, step)
            self._record(step, means)
            shown = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
            tqdm.write(f"step {step:,}, {len(self.pairs)} pairs: {shown}")
        self.pace.restart()

    def latest(self, step: int) -> dict[str, float | None]:
        """What the weights of a step, or the last ones before it, were judged by; with their step.

        Empty if none were.
        """
        found = [line for line in self._lines() if line["step"] <= step]
        return found[-1] if found else {}

    def _lines(self) -> list[dict[str, Any]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines]

    def _record(self, step: int, means: dict[str, float]) -> None:
        kept = [line for line in self._lines() if line["step"] < step]  # a resumed run repeats
        finite = {k: v if math.isfinite(v) else None for k, v in means.items()}  # JSON has no NaN
        lines = [json.dumps(line) + "\n" for line in (*kept, {"step": step, **finite})]
        write_atomically(self.path, "".join(lines).encode())


def _log(trainer: Trainer) -> TensorBoardLogger:
    assert isinstance(trainer.logger, TensorBoardLogger)
    return trainer.logger


def panel(*images: Tensor) -> Tensor:
    """Images (1, H, W) uint8 side by side under their titles, (1, STRIP + H, 3 W)."""
    strips = []
    for title, image in zip(TITLES, images, strict=True):
        strip = np.zeros((STRIP, image.shape[2]), np.uint8)
        cv2.putText(strip, title, (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1, cv2.LINE_AA)
        strips.append(torch.from_numpy(strip)[None].to(image.device))
    return torch.cat([torch.cat(strips, dim=2), torch.cat(images, dim=2)], dim=1)


@torch.inference_mode()
def fuse(network: torch.nn.Module, visible: Tensor, infrared: Tensor) -> Tensor:
    """Luminances (N, H, W) uint8 in and out, in FP32."""
    luminance, _ = network(visible[:, None] / 255, infrared[:, None] / 255)
    return (luminance[:, 0] * 255).round().to(torch.uint8)
