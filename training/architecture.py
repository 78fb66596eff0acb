"""What training, export and benchmarks have to know of a network.

Each module in `training/networks/` says it of one network, in its `ARCHITECTURE`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ship_deploy.frames import SMALLEST
from training.layers.blocks import FrameMean
from training.layers.folded import FoldedNorm
from training.layers.spectrum import MatrixConvolution

TYPED = (nn.Conv2d, nn.InstanceNorm2d, FoldedNorm, FrameMean, MatrixConvolution)


class FusionNetwork(nn.Module):
    """A network: `forward(visible_y, infrared)` gives `(fused_y, raw)`, all (N, 1, H, W).

    Inputs are in [0, 1], in any floating type; `raw` is the fused luminance, `fused_y` the same
    clamped to [0, 1].

    Attributes:
        config: the arguments of the constructor, as JSON can hold them. They are the settings in
            the `network` section of a training config, which their annotations validate.
    """

    config: dict[str, Any]

    if TYPE_CHECKING:

        def __call__(self, visible_y: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
            """As `forward`."""


class Reason(NamedTuple):
    """Why a part stays FP32, and the type of its result: FP32 where another rounding costs."""

    why: str
    result: torch.dtype


@dataclass(frozen=True)
class HalfPrecision:
    """How a folded network is typed in FP16. Parts are named by path, * for anything.

    Attributes:
        islands: parts that stay FP32, weights too, each with the measured reason.
        parts: types of modules that work in a type of their own, FP16 unless they are islands. What
            stands between them takes the type that it is given, the wider one of two.
        centred: refinements (conv3x3, relu, conv3x3) whose typical means `export.centring` moves
            into FP32.
        groups: of FP16 parts, all of them together; what each costs in FP16 is measured by
            `python -m benchmarks narrowing`.
    """

    islands: Mapping[str, Reason]
    parts: tuple[type[nn.Module], ...] = TYPED
    centred: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A network and what is known of it.

    Attributes:
        module: its class, called like the module in `training/networks/` but for the case; that is
            the name in checkpoints and models. The defaults of its constructor are the published
            configuration.
        smallest: pixels a side of the smallest frame that it takes; at most what the runtime does,
            so a network that needs more has to pad.
        published: turns the tensors of the authors' checkpoint into ours, keys and shapes; None if
            there is no such checkpoint.
        folds: for a type of part, what takes its place in a deployed graph, made from the part when
            its own parts are folded already. Equal up to rounding; it may take the weights over.
        half: how it is typed in FP16; None if that was not measured, and FP16 is refused.
    """

    module: type[FusionNetwork]
    smallest: int = SMALLEST
    published: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None
    folds: Mapping[type[nn.Module], Callable[[Any], nn.Module]] = field(default_factory=dict)
    half: HalfPrecision | None = None

    def __post_init__(self) -> None:
        if self.smallest > SMALLEST:
            raise ValueError(f"smallest is {self.smallest}, expected at most {SMALLEST}")
