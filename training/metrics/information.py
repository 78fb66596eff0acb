"""Information by histogram, 256 bins of one grey level: EN, MI, NMI."""

import math

import torch
from torch import Tensor

LEVELS = 256


def entropy(fused: Tensor, *_: Tensor) -> Tensor:
    """EN = -sum p log2 p over the grey levels, in bits, 0 to 8; higher is better.

    Source: Roberts, van Aardt & Ahmed, J. Appl. Remote Sens. 2 (2008). Noise raises it.
    """
    return _entropy(_counts(fused, LEVELS))


def mutual_information(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """MI = I(F; V) + I(F; I) in bits, 0 to 16; higher is better.

    Source: Qu, Zhang & Yan, Electron. Lett. 38 (2002). I(A; B) = H(A) + H(B) - H(A, B).
    """
    own = entropy(fused)
    of_both = [own + entropy(s) - _joint_entropy(fused, s) for s in (visible, infrared)]
    return of_both[0] + of_both[1]


def mutual_information_cddfuse(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """The same sum in nats, 0 to 11.1."""
    return mutual_information(fused, visible, infrared) * math.log(2)


def normalised_mutual_information(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """NMI = 2 [I(F; V) / (H(F) + H(V)) + I(F; I) / (H(F) + H(I))]; 0 to 2; higher is better.

    Source: Hossny, Nahavandi & Creighton, Electron. Lett. 44 (2008). Summed over the sources;
    a pair of constant images, 0/0, adds 0.
    """
    own = entropy(fused)
    score = torch.zeros_like(own)
    for source in (visible, infrared):
        both = own + entropy(source)
        shared = both - _joint_entropy(fused, source)
        score += torch.where(both > 0, 2 * shared / both.clamp(min=1e-9), 0)
    return score


def _joint_entropy(first: Tensor, second: Tensor) -> Tensor:
    return _entropy(_counts(first * LEVELS + second, LEVELS**2))


def _counts(values: Tensor, bins: int) -> Tensor:
    """Histograms (N, bins) of integers (N, H, W) below `bins`."""
    offsets = bins * torch.arange(len(values), device=values.device)
    indices = values.long().flatten(1) + offsets[:, None]
    return torch.bincount(indices.flatten(), minlength=bins * len(values)).reshape(-1, bins)


def _entropy(counts: Tensor) -> Tensor:
    shares = counts.double() / counts.sum(1, keepdim=True)
    return torch.special.entr(shares).sum(1) / math.log(2)
