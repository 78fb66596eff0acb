"""Information that small neighbourhoods share: FMI."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 3  # pixels a side
CHUNK = 4096  # windows at a time: their 9x9 tables stay in a processor's cache


def feature_mutual_information(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """FMI of pixels in 3x3 windows, the mean over windows and sources; 0 to 1; higher is better.

    Source: Haghighat & Razian, Fast-FMI, AICT 2014, where the feature is the grey level itself (the
    field's FMI_pixel; FMI_dct and FMI_w transform the image first). Each window, scaled to its own
    range and to sum 1, is read as the distribution of a position 1..9, column by column. The joint
    distribution of two windows is the product of both, blended with their Frechet bound (upper
    for positive, lower for negative correlation) such that it has the correlation c of the windows.
    Then FMI = 2 (H1 + H2 - H12) / (H1 + H2), and 1 for equal windows.

    The authors' code takes binary edge maps unless told otherwise; most of their windows are empty,
    so equal, and scores come near 0.9. Those in tables are often of that kind.
    """
    windows = [_windows(image) for image in (fused, visible, infrared)]
    scores = []
    for chunk in zip(*(w.split(CHUNK) for w in windows), strict=True):
        scores.append((_shared(chunk[0], chunk[1]) + _shared(chunk[0], chunk[2])) / 2)
    return torch.cat(scores).reshape(len(fused), -1).mean(1)


def _windows(images: Tensor) -> Tensor:
    """Every window of (N, H, W), as (windows, 9), column by column."""
    columns = F.unfold(images.mT[:, None], WINDOW)  # (N, 9, windows); transposed
    return columns.mT.reshape(-1, WINDOW**2)


def _shared(first: Tensor, second: Tensor) -> Tensor:
    """Normalised mutual information of windows (K, 9) and (K, 9) -> (K,)."""
    p, q = _distribution(first), _distribution(second)
    below_p, below_q = p.cumsum(1)[:, :, None], q.cumsum(1)[:, None, :]
    independent = below_p * below_q
    c = _correlation(p, q)[:, None, None]
    bound = torch.where(
        c >= 0, torch.minimum(below_p, below_q), (below_p + below_q - 1).clamp(min=0)
    )
    # Correlation of the positions under the bound: covariance (Hoeffding's sum) over deviations.
    covariance = (bound - independent).sum((1, 2), keepdim=True)
    deviations = (_deviation(p) * _deviation(q))[:, None, None]
    usable = (c != 0) & (deviations > 0) & (covariance != 0)
    share = torch.where(usable, c * deviations / torch.where(usable, covariance, 1), 0)
    joint = F.pad(bound, (1, 0, 1, 0)).diff(dim=1).diff(dim=2)
    joint = share * joint + (1 - share) * (p[:, :, None] * q[:, None, :])
    own = _entropy(p) + _entropy(q)
    score = 2 * (own - _entropy(joint.flatten(1))) / torch.where(own > 0, own, math.inf)
    return torch.where((first == second).all(1), 1, score)


def _distribution(windows: Tensor) -> Tensor:
    low, high = windows.aminmax(dim=1, keepdim=True)
    scaled = torch.where(high > low, (windows - low) / (high - low).clamp(min=1), 1)
    return scaled / scaled.sum(1, keepdim=True)


def _correlation(p: Tensor, q: Tensor) -> Tensor:
    p, q = p - 1 / WINDOW**2, q - 1 / WINDOW**2  # a distribution's mean over nine positions
    norm = (p.square().sum(1) * q.square().sum(1)).sqrt()
    return torch.where(norm > 1e-15, (p * q).sum(1) / norm.clamp(min=1e-15), 0)


def _deviation(p: Tensor) -> Tensor:
    position = torch.arange(WINDOW**2, dtype=p.dtype, device=p.device)
    return (p @ position**2 - (p @ position) ** 2).clamp(min=0).sqrt()


def _entropy(p: Tensor) -> Tensor:
    """In nats; a blend by more than 1 can leave negative p, which enter by magnitude."""
    return -torch.xlogy(p, p.abs()).sum(1)
