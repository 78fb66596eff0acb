"""Validation: fusion metrics and pictures of whole frames, fused with the averaged weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from typing_extensions import override

from ship_deploy.files import write_atomically
from training.averaging import AveragedWeights
from training.data import Pair

LOG = "validation.jsonl"


class Validation(Callback):
    """Fuses pairs every so many steps; logs the mean of every metric, and a few panels.

    The means go to the logger and, one line a time, into `validation.jsonl`. The devices of a run
    share the pairs.

    Args:
        pairs: what to fuse.
        averaged: the callback that averages; it has to come before this one.
        every: steps between two validations; the last step is validated in any case.
        panels: how many pairs to show, beside their fused frame.
        folder: of `validation.jsonl`.
    """

    def __init__(
        self, pairs: list[Pair], averaged: AveragedWeights, every: int, panels: int, folder: Path
    ) -> None:
        self.pairs = pairs
        self.averaged = averaged
        self.every = every
        self.panels = panels
        self.path = folder / LOG

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every and step != trainer.max_steps:
            return
        metrics = fusion_metrics()
        sums = torch.zeros(len(metrics), dtype=torch.float64)
        for index in range(trainer.global_rank, len(self.pairs), trainer.world_size):
            name, frames = self.pairs[index]
            visible, infrared = frames[:2, None]  # each (1, H, W)
            fused = fuse(self.averaged.network, visible, infrared).cpu()
            sums += torch.tensor([float(m(fused, visible, infrared)) for m in metrics.values()])
            if index < self.panels * trainer.world_size and trainer.is_global_zero:
                panel = torch.cat([visible, infrared, fused], dim=2)  # (1, H, 3 W)
                trainer.logger.experiment.add_image(f"validation/{name}", panel, step)
        means = trainer.strategy.reduce(sums.to(pl_module.device), reduce_op="sum")
        means = dict(zip(metrics, (means / len(self.pairs)).tolist(), strict=True))
        if trainer.is_global_zero:
            trainer.logger.log_metrics({f"validation/{k}": v for k, v in means.items()}, step)
            self._record(step, means)

    def _record(self, step: int, means: dict[str, float]) -> None:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] < step]  # a resumed run repeats
        content = "\n".join([*kept, json.dumps({"step": step, **means})]) + "\n"
        write_atomically(self.path, content.encode())


@torch.inference_mode()
def fuse(network: torch.nn.Module, visible: Tensor, infrared: Tensor) -> Tensor:
    """Luminances (N, H, W) uint8 in and out, on any device, in FP32."""
    device = next(network.parameters()).device
    frames = (side[:, None].to(device) / 255 for side in (visible, infrared))
    return (network(*frames)[0][:, 0] * 255).round().to(torch.uint8)


def fusion_metrics() -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor | float]]:
    """Name -> function of the fused, the visible and the infrared frames, (N, H, W) uint8."""
    from training.metrics import METRICS  # a run without validation does not wait for it

    return dict(METRICS)
