"""FP16, typed in the graph: which parts stay FP32, and why.

TensorRT 11 and TensorRT-RTX take the types from the graph as they stand. So the folded network is
cast to FP16 as a whole, and the parts in `ISLANDS` work in FP32, with casts at their shores.
"""

from enum import Enum

from torch import Tensor, nn

from export.fold import FoldedNorm, MatrixConvolution
from training.networks.layers import FrameMean


class Precision(Enum):
    """Type of a graph's features and weights; what goes in and comes out is the same for all."""

    FP32 = "fp32"
    FP16 = "fp16"


# FP16 ends at 65,504 and has 11 bits.
ISLANDS: dict[type[nn.Module], str] = {
    MatrixConvolution: "the DC term alone is H * W * mean, 307,200 at 480x640, and it is squared; "
    "the result stays FP32 for the norm behind it, which removes a common offset far larger than "
    "what is left",
    FoldedNorm: "a sum of squares: overflows from 256 on, loses small variances below 2**-12",
    nn.InstanceNorm2d: "statistics over the whole frame: sums of H * W values",
    FrameMean: "a sum of H * W values",
}


class Island(nn.Module):
    """A part that works in FP32 inside an FP16 network."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part.float()

    def forward(self, *features: Tensor) -> Tensor:
        """FP16 in and out; the spectral product hands on FP32, see `ISLANDS`."""
        result: Tensor = self.part(*(x.float() for x in features))
        return result if isinstance(self.part, MatrixConvolution) else result.half()


class Narrowed(nn.Module):
    """A folded network that computes in FP16 but for its islands; FP32 at both ends."""

    def __init__(self, folded: nn.Module) -> None:
        super().__init__()
        self.network = folded.half()
        for parent in list(self.network.modules()):
            for name, part in list(parent.named_children()):
                if type(part) in ISLANDS:
                    parent.register_module(name, Island(part))

    def forward(self, visible_y: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """The same as the network's, (N, 1, H, W) in FP32."""
        _, raw = self.network(visible_y.half(), infrared.half())
        raw = raw.float()
        return raw.clamp(0, 1), raw
