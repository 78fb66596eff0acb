"""Linear correlation of a fused image with its sources: CC, SCD.

Correlation with a constant image is 0/0; here it is 0, for nothing is shared.
"""

import torch
from torch import Tensor


def correlation(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """CC = (r(V, F) + r(I, F)) / 2, r being Pearson's; -1 to 1; higher is better."""
    return (_pearson(visible, fused) + _pearson(infrared, fused)) / 2


def sum_of_correlations_of_differences(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """SCD = r(F - I, V) + r(F - V, I); -2 to 2; higher is better.

    Source: Aslantas & Bendes, AEU 69 (2015). What is left of the fused image without one source
    should be the other.
    """
    return _pearson(fused - infrared, visible) + _pearson(fused - visible, infrared)


def _pearson(first: Tensor, second: Tensor) -> Tensor:
    first, second = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (first, second))
    norm = (first.square().sum(1) * second.square().sum(1)).sqrt()
    return torch.where(norm > 0, (first * second).sum(1) / norm.clamp(min=1e-9), 0)
