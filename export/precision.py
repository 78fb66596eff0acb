"""FP16, typed in the graph.

TensorRT 11 and TensorRT-RTX take the types from the graph as they stand. FP16 ends at 65,504 and
has 11 bits, so some parts stay FP32: `training.architecture.HalfPrecision`, for each network.
"""

from enum import Enum
from fnmatch import fnmatch

import torch
from torch import Tensor, nn

from export.centring import centre
from export.fold import fold
from ship_deploy.errors import UserError
from training.architecture import FusionNetwork, HalfPrecision
from training.networks import architecture_of


class Precision(Enum):
    """Type of a graph's features and weights; what goes in and comes out is the same for all."""

    FP32 = "fp32"
    FP16 = "fp16"


class Typed(nn.Module):
    """A part that works in a type of its own."""

    def __init__(self, part: nn.Module, dtype: torch.dtype, result: torch.dtype) -> None:
        super().__init__()
        self.part = part.to(dtype)
        self.dtype, self.result = dtype, result

    def forward(self, *features: Tensor) -> Tensor:
        """Features in any floating type; the result in `result`."""
        return self.part(*(x.to(self.dtype) for x in features)).to(self.result)


class Narrowed(nn.Module):
    """A folded network in FP16 but for its islands; FP32 at both ends.

    Args:
        folded: the network, which is taken over.
        half: how it is typed.
    """

    def __init__(self, folded: nn.Module, half: HalfPrecision) -> None:
        super().__init__()
        centre(folded, half.centred)
        self.network = folded
        self.types = half
        self._type(folded, "")

    def _type(self, parent: nn.Module, path: str) -> None:
        for name, part in list(parent.named_children()):
            inner = path + name
            if isinstance(part, self.types.parts):
                parent.register_module(name, Typed(part, *self._types(inner)))
            else:
                self._type(part, f"{inner}.")

    def _types(self, path: str) -> tuple[torch.dtype, torch.dtype]:
        for pattern, reason in self.types.islands.items():
            if fnmatch(path, pattern):
                return torch.float, reason.result
        return torch.half, torch.half

    def forward(self, visible_y: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """The same as the network's, (N, 1, H, W) in FP32."""
        _, raw = self.network(visible_y, infrared)
        raw = raw.float()
        return raw.clamp(0, 1), raw


def half_precision(network: nn.Module) -> HalfPrecision:
    """How a network is typed in FP16.

    Raises:
        UserError: its architecture does not say.
    """
    half = architecture_of(network).half
    if half is None:
        name = type(network).__name__
        raise UserError(f"{name} has no table of the parts that stay FP32 in FP16; use FP32")
    return half


def narrow(network: FusionNetwork) -> Narrowed:
    """A network folded and in FP16, as its architecture says.

    Raises:
        UserError: its architecture does not say how.
    """
    return Narrowed(fold(network), half_precision(network))
