"""How well the sources' edges survive in a fused image: Qabf, N_abf."""

import math

import torch
from torch import Tensor

from training.metrics.filters import sobel


def edge_transfer(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Qabf = sum(Q^VF g_V + Q^IF g_I) / sum(g_V + g_I); 0 to 0.975; higher is better.

    Source: Xydeas & Petrovic, Electron. Lett. 36 (2000). g is the Sobel gradient's magnitude, and
    Q^AF = 0.9994 / (1 + exp(-15 (G - 0.5))) * 0.9879 / (1 + exp(-22 (A - 0.8))), with G the weaker
    of the two magnitudes over the stronger, and A = 1 at equal directions, 0 across. Directions
    are compared modulo 180 degrees, and the border is reflected: both as in Petrovic's own code.
    """
    f, v, i = (_Edges(image, "reflect") for image in (fused, visible, infrared))
    kept = [_kept(_strength(s, f), _direction(s, f)) for s in (v, i)]
    return _weighted(kept, [v.magnitude, i.magnitude])


def edge_transfer_cddfuse(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Qabf with three habits of that evaluator.

    Beyond the border is black, which makes a frame of strong edges; angles near -90 and 90 degrees
    count as opposite (A falls to -1); and where the magnitudes are equal, G is that magnitude.
    """
    f, v, i = (_Edges(image, "constant") for image in (fused, visible, infrared))
    kept = []
    for s in (v, i):
        equal = s.magnitude == f.magnitude
        strength = torch.where(equal, f.magnitude, _strength(s, f))
        kept.append(_kept(strength, 1 - (s.angle - f.angle).abs() / (math.pi / 2)))
    return _weighted(kept, [v.magnitude, i.magnitude])


def artifacts(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """N_abf, the share of edges that neither source has; 0 to 1; lower is better.

    Source: Shreyamsha Kumar, SIViP 7 (2013), after Petrovic & Xydeas, ICCV 2005. Where g_F exceeds
    both sources': sum((1 - Q^VF) w_V + (1 - Q^IF) w_I) / sum(w_V + w_I) over all pixels, with
    w = g^1.5 from 2 grey levels per pixel on, else 0.001, and
    Q = sqrt(0.9999 / (1 + exp(-19 (G - 0.5))) * 0.9995 / (1 + exp(-22 (A - 0.5)))).
    """
    f, v, i = (_Edges(image, "reflect") for image in (fused, visible, infrared))
    new = (f.magnitude > v.magnitude) & (f.magnitude > i.magnitude)
    lost, weights = [], []
    for s in (v, i):
        strength = 0.9999 / (1 + torch.exp(-19 * (_strength(s, f) - 0.5)))
        direction = 0.9995 / (1 + torch.exp(-22 * (_direction(s, f) - 0.5)))
        lost.append(new * (1 - (strength * direction).sqrt()))
        slope = s.magnitude / 8  # Sobel's weights sum to 8
        weights.append(torch.where(slope >= 2, slope**1.5, 0.001))
    return _weighted(lost, weights)


class _Edges:
    """Sobel gradients of (N, H, W): magnitude, and angle in -pi/2..pi/2, pi/2 where x has none."""

    def __init__(self, image: Tensor, border: str) -> None:
        along_x, along_y = sobel(image, border)
        self.magnitude = (along_x.square() + along_y.square()).sqrt()
        self.angle = torch.where(along_x == 0, math.pi / 2, torch.atan(-along_y / along_x))


def _strength(source: _Edges, fused: _Edges) -> Tensor:
    """The weaker magnitude over the stronger; 0 where there are none."""
    low = torch.minimum(source.magnitude, fused.magnitude)
    high = torch.maximum(source.magnitude, fused.magnitude)
    return torch.where(high > 0, low / high, 0)


def _direction(source: _Edges, fused: _Edges) -> Tensor:
    """1 at equal directions, 0 at a right angle."""
    return 1 - _folded((source.angle - fused.angle).abs()) / (math.pi / 2)


def _folded(difference: Tensor) -> Tensor:
    return torch.minimum(difference, math.pi - difference)


def _kept(strength: Tensor, direction: Tensor) -> Tensor:
    return (0.9994 / (1 + torch.exp(-15 * (strength - 0.5)))) * (
        0.9879 / (1 + torch.exp(-22 * (direction - 0.8)))
    )


def _weighted(scores: list[Tensor], weights: list[Tensor]) -> Tensor:
    """Sum of score times weight over the sum of weights; 0 where there is no edge at all."""
    total = torch.stack(weights).sum((0, 2, 3))
    score = (torch.stack(scores) * torch.stack(weights)).sum((0, 2, 3))
    return torch.where(total > 0, score / total.clamp(min=1e-9), 0)
