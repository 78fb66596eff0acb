"""How many crops a second the training loop takes, beside a plain loop over the same crops."""

import copy
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from benchmarks import machine, record
from ship_deploy.files import make_folder
from ship_deploy.images import write_png
from training.architecture import FusionNetwork
from training.config import Config
from training.fusion import Fusion, Step
from training.layers.blocks import CentralDifference
from training.loop import train
from training.scenes import render

WARM_UP = 2  # rounds that are not counted


@dataclass(frozen=True)
class Speed:
    """Steps of the training loop, everything between two of them included; seconds, wall clock.

    Attributes:
        precision: of the training loop; the plain one is FP32.
        rounds: counted steps of each.
        seconds: median, fastest and slowest step of the training loop.
        plain_seconds: the same of the plain loop.
        speedup: the plain loop's time over the training loop's in the same round; the median.
        speedup_range: the smallest and the largest of them.
    """

    precision: str
    rounds: int
    seconds: tuple[float, float, float]
    plain_seconds: tuple[float, float, float]
    speedup: float
    speedup_range: tuple[float, float]


class LiteralDifference(nn.Module):
    """The central difference as it is defined: each stencil convolved, its centre subtracted."""

    def __init__(self, difference: CentralDifference) -> None:
        super().__init__()
        self.cross, self.diagonal = difference.cross, difference.diagonal
        self.mix, self.strength = difference.mix, difference.strength
        self.stencils = (
            (self.cross, CentralDifference.CROSS),
            (self.diagonal, CentralDifference.DIAGONAL),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        share, sides = torch.sigmoid(self.mix), []
        for weight, taps in self.stencils:
            kernel = weight.new_zeros(*weight.shape[:2], 9)
            kernel[..., taps] = weight
            centre = weight.sum(-1)[..., None, None]
            plain = F.conv2d(x, kernel.unflatten(2, (3, 3)), padding=1)
            sides.append(plain - self.strength * F.conv2d(x, centre))
        return share * sides[0] + (1 - share) * sides[1] + x


def literal(network: FusionNetwork) -> FusionNetwork:
    """A network with nothing folded and in plain memory order, the weights copied."""
    network = copy.deepcopy(network)
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # in torch
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, CentralDifference):
                setattr(module, name, LiteralDifference(child))
    return network


class PlainLoop(Callback):
    """After every step of the training loop, a plain one: the same crops, the published settings.

    That is eager FP32, Adam, no clipping and no average, denormals left alone. What the training
    loop does between two steps, drawing crops included, is counted as its own.

    Attributes:
        seconds: of each step, the training loop's and the plain loop's.
    """

    def __init__(self) -> None:
        self.seconds: list[tuple[float, float]] = []

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Fusion)
        self.step = Step(literal(pl_module.network), pl_module.config.loss)
        self.optimiser = torch.optim.Adam(self.step.parameters(), 1e-4)
        self.began = _now(pl_module.device)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Tensor, _: int
    ) -> None:
        assert isinstance(pl_module, Fusion)
        middle = _now(pl_module.device)
        torch.set_flush_denormal(False)
        self.optimiser.zero_grad()
        self.step(batch).sum().backward()
        self.optimiser.step()
        torch.set_flush_denormal(True)
        end = _now(pl_module.device)
        self.seconds.append((middle - self.began, end - middle))
        self.began = _now(pl_module.device)


def measure(config: Config) -> Speed:
    """Train as a config says, a plain step after every step; the first two rounds do not count."""
    plain = PlainLoop()
    train(config, [plain])
    counted = plain.seconds[WARM_UP:]
    ours, theirs = zip(*counted, strict=True)
    ratios = [slow / own for own, slow in counted]
    return Speed(
        precision=config.optimiser.precision,
        rounds=len(counted),
        seconds=(statistics.median(ours), min(ours), max(ours)),
        plain_seconds=(statistics.median(theirs), min(theirs), max(theirs)),
        speedup=statistics.median(ratios),
        speedup_range=(min(ratios), max(ratios)),
    )


def run(
    output: Path,
    precisions: list[str],
    crop: int = 128,
    batch: int = 4,
    rounds: int = 20,
    network: dict[str, int] | None = None,
) -> str:
    """Measure the published settings on drawn scenes; write `training.json` and `training.md`.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(4):
            frames = render(seed, max(240, crop), max(320, crop))
            for kind, frame in zip(("visible", "infrared"), frames, strict=True):
                make_folder(Path(folder, kind))
                write_png(Path(folder, kind, f"{seed}.png"), frame)
        for precision in precisions:
            config = {
                "run": {"name": precision, "folder": folder},
                "data": {"folders": [{"path": folder}], "crop": crop, "batch": batch},
                "network": network or {},
                "optimiser": {"iterations": WARM_UP + rounds, "precision": precision},
            }
            results.append(measure(Config.model_validate(config)))
    content = {
        "machine": machine.describe(),
        "threads": torch.get_num_threads(),
        "crop": crop,
        "batch": batch,
        "training": [asdict(result) for result in results],
    }
    table = tabulate(content)
    record.write(output, "training", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `training.json`."""
    host, batch = content["machine"], content["batch"]
    lines = [
        f"{machine.where(host)}, {content['threads']} threads; torch "
        f"{host['torch']}; {host['measured'][:10]}. Steps of {batch} crops of "
        f"{content['crop']}x{content['crop']}, both ways and update, in images per second; "
        "both loops take turns, and the ratio is taken round by round.",
        "",
        "| loop | median | slowest to fastest | against plain |",
        "|---|---|---|---|",
    ]
    for result in content["training"]:
        low, high = result["speedup_range"]
        ratio = f"{result['speedup']:.2f}x ({low:.2f} to {high:.2f})"
        for name, seconds, against in (
            (f"ours, {result['precision']}", result["seconds"], ratio),
            ("plain, eager FP32", result["plain_seconds"], "1"),
        ):
            median, fastest, slowest = (batch / s for s in seconds)
            lines.append(f"| {name} | {median:.2f} | {slowest:.2f} to {fastest:.2f} | {against} |")
    return "\n".join(lines) + "\n"


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
