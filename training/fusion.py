"""What is trained: the network with its loss and optimiser, as a module of Lightning's."""

import math
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from typing_extensions import override

from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from training import networks, resuming
from training.architecture import FusionNetwork
from training.checkpoints import load_network, training_configs
from training.config import Config, Loss, Optimiser
from training.crops import Batches
from training.losses import fusion_losses
from training.parallel import is_first_process
from training.steadiness import successor, unsteadiness

STEADY = 4  # every how many-th crop of a batch is seen again, as the next frame of a video


class NotFiniteError(UserError):
    """What a run cannot learn from: NaN or infinity, ahead of the step that would spread it."""


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

    Attributes:
        stages: the configs, as JSON, that the weights came about with, this one last.

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
        start = config.run.weights
        self.stages = [*(training_configs(start) if start else []), _as_json(config)]
        self.terms: dict[str, Tensor] = {}  # of the loss, in the step at hand

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
        self.terms = dict(zip(step.names, terms.detach(), strict=True))
        self.log_dict({f"loss/{name}": term for name, term in self.terms.items()})
        self.log("loss", loss, prog_bar=True)
        return loss

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        settings = self.config.optimiser
        optimiser = torch.optim.Adam(
            self.network.parameters(), settings.learning_rate, fused=_fused(settings)
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
        self._check_finite(norm)

    def _check_finite(self, norm: Tensor) -> None:
        """Look at the loss and, where FP16's scaling does not do it, at the gradients."""
        wanted = [*self.terms.values()]
        wanted += [] if self.config.optimiser.precision == "16-mixed" else [norm]
        finite = bool(torch.stack(wanted).isfinite().all())
        trainer = self._trainer
        if trainer is not None and trainer.world_size > 1:
            finite = trainer.strategy.reduce_boolean_decision(finite, all=True)
        if finite:
            return
        values = {f"loss.{name}": term.item() for name, term in self.terms.items()}
        values["the gradient"] = norm.item()
        wrong = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        step, pictures = 0, ""
        if trainer is not None:
            step = trainer.global_step
            if isinstance(batches := trainer.datamodule, Batches):  # type: ignore[attr-defined]
                pictures = f"; its batch is of {', '.join(batches.pictures(step))}"
        what = ", ".join(wrong) or "the loss of another process is not finite"
        raise NotFiniteError(f"step {step + 1}: {what}{pictures}")

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["network"] = self.network.config
        checkpoint["architecture"] = type(self.network).__name__
        checkpoint["stages"] = self.stages
        checkpoint["random"] = torch.get_rng_state()  # `loss.steady` draws from it
        if self.device.type == "cuda":
            checkpoint["random_gpu"] = torch.cuda.get_rng_state(self.device)

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        own = type(self.network).__name__
        name, network = checkpoint.get("architecture", own), checkpoint.get("network")
        if (name, network) != (own, self.network.config):
            raise UserError(f"network: the run to resume has {name}({network})")
        self._go_on(checkpoint)
        torch.set_rng_state(checkpoint["random"])
        if self.device.type == "cuda" and "random_gpu" in checkpoint:
            torch.cuda.set_rng_state(checkpoint["random_gpu"], self.device)

    def _go_on(self, checkpoint: dict[str, Any]) -> None:
        """Apply what was changed since the run was saved, and say so."""
        run, settings, step = self.config.run, self.config.optimiser, checkpoint["global_step"]
        place = run.folder / run.name
        lines = [f"{place}: going on after step {step:,} of {settings.iterations:,}"]
        if step >= settings.iterations:
            lines = [f"{place}: finished, at step {step:,}; more optimiser.iterations go on"]
        if before := checkpoint.get("stages"):
            found = resuming.changes(before[-1], self.config)
            show = resuming.show
            lines += [
                f"{key}: {show(a)} -> {show(b)}, from here on" for key, (a, b) in found.items()
            ]
            kept = before if resuming.matter(found) else before[:-1]
            self.stages = [*kept, _as_json(self.config)]
        for line in lines if is_first_process() else ():
            ERR.print(line)
        [schedule], [optimiser] = checkpoint["lr_schedulers"], checkpoint["optimizer_states"]
        rate = settings.learning_rate
        schedule["base_lrs"] = [rate]
        for group in optimiser["param_groups"]:
            group["initial_lr"] = rate
            group["lr"] = rate * learning_rate_share(schedule["last_epoch"], settings)
            group["fused"] = _fused(settings)


def _as_json(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json")


def _fused(settings: Optimiser) -> bool | None:
    """One kernel for all tensors, hundreds, unless it would have to undo the scaling of FP16."""
    return settings.precision != "16-mixed" or None


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
