"""What of FISCNet stays FP32 in FP16, and why."""

from collections.abc import Mapping

import torch

from training.architecture import TYPED, HalfPrecision, Reason
from training.layers.phase import MatrixPhaseMix

# Each figure is what FP16 there costs with the authors'
# weights on four crops of real frames, 66.7 dB as it stands, and what it saves of 6,192 MB that
# parts read and write for one frame of 480x640: `python -m benchmarks narrowing`, which wrote
# benchmarks/results/narrowing-fiscnet.md. All in FP16: not finite, 1,048 MB less. Most of what is
# lost is lost in the last level, which would be 7.9 dB better in FP32, for 1,200 MB more.
_ISLANDS: Mapping[str, Reason] = {
    "*phases": Reason(
        "not finite for 1,036 MB: beside the DC term entries of a spectrum reach 6e4, and their "
        "squares overflow; the smallest are 4e-5, and each one's phase counts in full",
        torch.float,
    ),
    "lift.process": Reason(
        "0.6 dB for 2 MB: it sees the luminance itself, and the phases of its features count",
        torch.half,
    ),
    "*pool": Reason("not finite for 10 MB: a sum of H * W values", torch.float),
    "*.gate.*": Reason("0.1 dB for nothing: two values a channel, which scale it", torch.half),
    "*.unit?.norm": Reason(
        "nothing on these crops, for nothing: but means of squares over the whole frame, whose sum "
        "grows with it",
        torch.half,
    ),
    "output": Reason(
        "0.6 dB for 10 MB: half a step of FP16 near 1 is 1/16 of a grey level", torch.float
    ),
}

HALF = HalfPrecision(
    islands=_ISLANDS,
    parts=(*TYPED, MatrixPhaseMix),
    groups=(
        "lift.*",
        "interaction.*",
        "levels.0.*",
        "levels.1.*",
        "*.where.*",
        "*.mix.mix_*",
        "*.mix.shift_first.*",
        "*.mix.s*_rest.*",
        "*interaction.merge",
        "head",
        "attention?.process.*",
    ),
)
