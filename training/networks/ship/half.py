"""What of SHIP stays FP32 in FP16, and why."""

from collections.abc import Mapping

import torch

from training.architecture import TYPED, HalfPrecision, Reason
from training.networks.ship.folds import LiftedConvolution

# Each figure is what FP16 there costs with the authors'
# weights on six crops of real frames, 74.8 dB as it stands, and what it saves of 7,230 MB that
# parts read and write for one frame of 480x640: `python -m benchmarks narrowing`, which wrote
# benchmarks/results/narrowing.md. All in FP16: not finite, 1,491 MB less.
_ISLANDS: Mapping[str, Reason] = {
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

HALF = HalfPrecision(
    islands=_ISLANDS,
    parts=(*TYPED, LiftedConvolution),
    # Features ahead of the invertible blocks have means of 3 to 60 deviations.
    centred=("*.channel.refine_fused.?",),
    groups=(
        "visible_features.*",
        "infrared_features.*",
        "*.spatial.*",
        "*.channel.refine_fused.*",
        "*.channel.mix.shift_first.*",
        "*.channel.mix.s*_rest.*",
        "*.channel.project",
        "merge.*",
        "project",
        "head",
        "attention?.process.*",
    ),
)
