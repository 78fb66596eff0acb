"""The training run: network, loss and optimiser in Lightning, and what is left on disk."""

import json
import logging
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from typing_extensions import override

from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from training import networks
from training.architecture import FusionNetwork
from training.averaging import AveragedWeights
from training.checkpoints import load_network, training_configs
from training.config import Config, Loss, Optimiser
from training.crops import Batches, Crops
from training.losses import fusion_losses
from training.progress import Bar, Pace
from training.saving import STATE, WEIGHTS, DurableCheckpoints, Saving
from training.steadiness import successor, unsteadiness
from training.validation import Validation

STEADY = 4  # every how many-th crop of a batch is seen again, as the next frame of a video


class Step(nn.Module):
    """From a batch to the terms of its loss, (K,). `names` says which, after the first batch."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.names: list[str] = []

    @override
    def forward(self, batch: Tensor) -> Tensor:
        visible, infrared, saliency, *seen = (batch[:, :5].float() / 255).split(1, dim=1)
        frames, number = torch.cat(seen, dim=1), len(batch)
        if self.loss.steady:
            first = frames[: math.ceil(number / STEADY)]
            second, still = successor(first)
            frames = torch.cat([frames, second])
        raw = self.network(*frames.split(1, dim=1))[1].float()
        with torch.autocast(raw.device.type, enabled=False):  # BF16 slopes would be mostly noise
            images = raw[:number], visible, infrared, saliency, batch[:, 5:]
            terms = fusion_losses(*images, self.loss)
            if self.loss.steady:
                change = raw[number:] - raw[: len(first)], second - first
                terms["steady"] = self.loss.steady * unsteadiness(*change, still)
        self.names = list(terms)
        return torch.stack(list(terms.values()))


class Fusion(LightningModule):
    """The network with its loss. Batches are those of `training.crops`, (N, 6, H, W) uint8.

    Raises:
        UserError: `run.weights` cannot be used.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.network = _initial(config)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # in torch
        if config.run.compile:
            self.network.compile()
        self.steps = [Step(self.network, config.loss)]  # a list hides that it has the network, too

    @override
    def on_train_start(self) -> None:
        if self.config.run.graph and self.device.type == "cuda":
            size, batch = self.config.data.crop, self.config.data.batch
            sample = torch.randint(256, (batch, 6, size, size), device=self.device)
            try:
                torch.cuda.make_graphed_callables(self.steps[0], (sample.to(torch.uint8),))
            except RuntimeError as error:  # a copy from the host, say
                reason = str(error).splitlines()[0]
                raise UserError(f"run.graph: the network cannot be captured: {reason}") from error

    @override
    def training_step(self, batch: Tensor, _: int) -> Tensor:
        [step] = self.steps
        terms = step(batch)
        loss: Tensor = terms.sum()
        named = zip(step.names, terms.detach(), strict=True)
        self.log_dict({f"loss/{name}": term for name, term in named})
        self.log("loss", loss, prog_bar=True)
        return loss

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        settings = self.config.optimiser
        # One kernel for all tensors, hundreds, unless it would have to undo the scaling of FP16.
        fused = settings.precision != "16-mixed"
        optimiser = torch.optim.Adam(
            self.network.parameters(), settings.learning_rate, fused=fused or None
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate_share(step, settings)
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    @override
    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        # Lightning's own refuses a fused optimiser in mixed precision, BF16 included.
        limit = self.config.optimiser.clip or math.inf
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        self.log("gradient", norm)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["network"] = self.network.config
        checkpoint["architecture"] = type(self.network).__name__
        checkpoint["random"] = torch.get_rng_state()  # `loss.steady` draws from it
        if self.device.type == "cuda":
            checkpoint["random_gpu"] = torch.cuda.get_rng_state(self.device)

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        own = type(self.network).__name__
        name, config = checkpoint.get("architecture", own), checkpoint.get("network")
        if (name, config) != (own, self.network.config):
            raise UserError(f"network: the run to resume has {name}({config})")
        torch.set_rng_state(checkpoint["random"])
        if self.device.type == "cuda" and "random_gpu" in checkpoint:
            torch.cuda.set_rng_state(checkpoint["random_gpu"], self.device)


def _initial(config: Config) -> FusionNetwork:
    """The network to start from, in training mode."""
    path, settings = config.run.weights, config.network.model_dump(exclude={"name"})
    network = networks.find(config.network.name).module(**settings)
    if path is None:
        return network
    start = load_network(path)
    if _describe(start) != _describe(network):
        raise UserError(
            f"run.weights: {path} has {_describe(start)}, the config {_describe(network)}"
        )
    return start.train()


def _describe(network: FusionNetwork) -> str:
    return f"{type(network).__name__}({network.config})"


def learning_rate_share(step: int, settings: Optimiser) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then the schedule."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if settings.schedule == "steps":
        passed = sum(step >= milestone for milestone in settings.milestones)
        return float(settings.factor**passed)
    progress = (step - settings.warmup) / max(settings.iterations - settings.warmup, 1)
    return settings.final + (1 - settings.final) * (1 + math.cos(math.pi * min(progress, 1))) / 2


def train(config: Config, observers: Sequence[Callback] = ()) -> Path:
    """Train a network; everything it leaves is in `run.folder`/`run.name`.

    Args:
        config: all its settings.
        observers: callbacks of Lightning, called after the loop's own.

    Returns:
        The averaged weights, `ema.safetensors`. Beside it: `last.ckpt`, from which `run.resume`
        goes on, TensorBoard's event files, and the metrics of the validation.

    Raises:
        UserError: the machine, the data or the weights to start from cannot be used, the run exists
            already, or there is none to resume.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # advertises, too
    torch.set_flush_denormal(True)  # on x86, denormals are slow and mean nothing here
    accelerator = _accelerator(config)
    run, settings = config.run, config.optimiser
    folder = run.folder / run.name
    last = folder / STATE
    if run.resume and not last.is_file():
        raise UserError(f"{last}: no such file, so there is nothing to resume")
    if last.is_file() and not run.resume:
        raise UserError(f"{folder}: holds a run; go on with run.resume=true or change run.name")
    smallest = networks.find(config.network.name).smallest
    averaged, pace = AveragedWeights(settings.average), Pace(config.data.batch)
    validation = Validation(config.validation, averaged, pace, folder, smallest)
    crops = Crops(config.data, config.augmentation, run.seed)
    seed_everything(run.seed, verbose=False)
    fusion = Fusion(config)
    metadata = {"training_config": config.model_dump_json()}
    if run.weights:
        metadata["training_configs_before"] = json.dumps(training_configs(run.weights))
    make_folder(folder)
    trainer = Trainer(
        accelerator=accelerator,
        devices=run.devices,
        num_nodes=run.nodes,
        strategy="ddp" if run.devices * run.nodes > 1 else "auto",
        max_steps=settings.iterations,
        max_epochs=-1,
        precision=settings.precision,
        logger=TensorBoardLogger(run.folder, run.name, version=""),
        callbacks=[
            averaged,
            LearningRateMonitor("step"),
            pace,
            Bar(),
            validation,
            # Last, so that a checkpoint has the validation of its step behind it.
            Saving(folder, averaged, run.save_every, metadata),
            *observers,
        ],
        plugins=[DurableCheckpoints()],
        enable_checkpointing=False,  # Lightning's own way of keeping several; see Saving
        use_distributed_sampler=False,  # Steps shares the batches out
        log_every_n_steps=10,
        enable_model_summary=False,
        benchmark=accelerator == "gpu",  # crops have one size
    )
    with warnings.catch_warnings():
        # Crops of cached frames take microseconds.
        warnings.filterwarnings("ignore", "The 'train_dataloader' does not have many workers")
        warnings.filterwarnings("ignore", category=FutureWarning, module="lightning")
        try:
            state = last if run.resume else None
            batches = Batches(crops, config.data)
            trainer.fit(fusion, None, None, batches, ckpt_path=state, weights_only=True)
        except SystemExit as end:
            if isinstance(end.__context__, KeyboardInterrupt):  # Lightning makes it exit code 1
                raise end.__context__ from None
            raise
    return folder / WEIGHTS


def _accelerator(config: Config) -> str:
    """`cpu` or `gpu`, after a check that the processes asked for can run on it."""
    run = config.run
    gpus = torch.cuda.device_count()
    accelerator = run.accelerator if run.accelerator != "auto" else "gpu" if gpus else "cpu"
    if accelerator == "gpu" and run.devices > gpus:
        raise UserError(f"run.devices: {run.devices}, but torch finds {gpus} GPUs on this host")
    if accelerator == "cpu" and config.optimiser.precision == "16-mixed":
        raise UserError("optimiser.precision: 16-mixed needs a GPU; on the CPU use bf16-mixed")
    asked, started = run.devices * run.nodes, int(os.environ.get("WORLD_SIZE", 0))
    if started and started != asked:
        raise UserError(f"run.devices * run.nodes: {asked}, but {started} processes were started")
    return accelerator
