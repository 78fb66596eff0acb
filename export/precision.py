"""FP16, typed in the graph: which parts stay FP32, and why.

TensorRT 11 and TensorRT-RTX take the types from the graph as they stand. Convolutions work in FP16
with weights in FP16; the parts in `ISLANDS` work in FP32, weights too. What stands between takes
the type that it is given, the wider one of two. FP16 ends at 65,504 and has 11 bits.
"""

from enum import Enum
from fnmatch import fnmatch
from typing import NamedTuple

import torch
from torch import Tensor, nn

from export.centring import centre
from export.fold import FoldedNorm, LiftedConvolution, MatrixConvolution
from training.networks.layers import FrameMean


class Precision(Enum):
    """Type of a graph's features and weights; what goes in and comes out is the same for all."""

    FP32 = "fp32"
    FP16 = "fp16"


class Reason(NamedTuple):
    """Why a part stays FP32, and the type of its result: FP32 where another rounding costs."""

    why: str
    result: torch.dtype


# Path in the folded network, * for anything. Each figure is what FP16 there costs with the authors'
# weights on six crops of real frames, 74.8 dB as it stands, and what it saves of 7,230 MB that
# parts read and write for one frame of 480x640: `python -m benchmarks narrowing`, which wrote
# benchmarks/results/narrowing.md. All in FP16: not finite, 1,491 MB less.
ISLANDS: dict[str, Reason] = {
    "*_features.edge1.process": Reason(
        "2.7 dB for 1 MB: it sees the luminance itself, whose rounding later products amplify",
        torch.half,
    ),
    "*.spatial.convolution": Reason(
        "not finite for 1,052 MB: the DC term alone is H * W * mean, 307,200 at 480x640, and it is "
        "squared; the norm behind removes a common offset far larger than what is left",
        torch.float,
    ),
    "*.spatial.norm*": Reason(
        "33 dB for 226 MB: a sum of squares overflows from 256 on and loses small variances below "
        "2**-12; FP32 up to the sum with the visible features, which carry every interaction",
        torch.float,
    ),
    "*pool": Reason("not finite on one crop, for 69 MB: a sum of H * W values", torch.float),
    "*.channel.mix.mix_*": Reason(
        "2.5 dB for 206 MB: features whose mean is up to 60 deviations, and the instance norm "
        "behind amplifies what is lost; 1x1, 0.6% of the products",
        torch.float,
    ),
    "*.channel.mix.shift_first.unit1.conv1": Reason(
        "1.4 dB for 74 MB: the last step ahead of that norm, mean still up to 17 deviations; 1.3% "
        "of the products",
        torch.float,
    ),
    "*.unit?.norm": Reason("1.4 dB for 15 MB: means of squares over the whole frame", torch.half),
    "output": Reason(
        "2.0 dB for 10 MB: half a step of FP16 near 1 is 1/16 of a grey level", torch.float
    ),
}

PARTS = (
    nn.Conv2d,
    nn.InstanceNorm2d,
    FoldedNorm,
    FrameMean,
    LiftedConvolution,
    MatrixConvolution,
)


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
    """A folded network in FP16 but for its islands; FP32 at both ends. Takes the network over."""

    def __init__(
        self, folded: nn.Module, islands: dict[str, Reason] = ISLANDS, centred: bool = True
    ) -> None:
        super().__init__()
        if centred:
            centre(folded)
        self.network = folded
        self.islands = islands
        self._type(folded, "")

    def _type(self, parent: nn.Module, path: str) -> None:
        for name, part in list(parent.named_children()):
            here = path + name
            if isinstance(part, PARTS):
                dtype, result = self._types(here)
                parent.register_module(name, Typed(part, dtype, result))
            else:
                self._type(part, f"{here}.")

    def _types(self, path: str) -> tuple[torch.dtype, torch.dtype]:
        for pattern, reason in self.islands.items():
            if fnmatch(path, pattern):
                return torch.float, reason.result
        return torch.half, torch.half

    def forward(self, visible_y: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """The same as the network's, (N, 1, H, W) in FP32."""
        _, raw = self.network(visible_y, infrared)
        raw = raw.float()
        return raw.clamp(0, 1), raw
