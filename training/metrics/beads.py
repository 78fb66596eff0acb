"""Dotted lines that some networks draw along strong edges: edge beads."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from training.metrics.filters import blur, separable, sobel

PERIODS = (2, 3, 4)  # pixels from dot to dot
LENGTH, RADIUS = 2.0, 6  # Gaussian sigma and half size of the oscillation filters, pixels
CROSS = (0.25, 0.5, 0.25)  # across the line
EDGE = 3  # grey levels per pixel; weaker slopes are not judged
AXIAL = 3  # slope energy along one axis over that along the other; slanted edges are not judged
FORGIVEN = 1.5  # times the oscillation that the sources have there
BEAD = 3  # grey levels of amplitude in excess of that
BORDER = 16  # pixels left out on each side


def edge_beads(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Share of the sources' edge pixels along which the fused image alone oscillates, in percent.

    Defined by this project, as Qabf and N_abf are blind to it; 0 to 100; lower is better. White
    noise counts, too. NaN up to 32 pixels a side, 0 without edges.

    1. Edges: the structure tensors of both sources, added. Strong is sqrt(Jxx + Jyy) > 3 levels per
       pixel; horizontal is Jyy > 3 Jxx, vertical Jxx > 3 Jyy; others are left out.
    2. Oscillation E of an image along an axis: the amplitude of period 2, 3 and 4, by quadrature.
    3. A bead is where, along the edge and at any period, E(F) exceeds
       1.5 g (max E(V) + max E(I)) by 3 levels; the maxima are over 3x3 pixels, and
       g = max(1, slope energy of F over that of V plus I) forgives a gain in contrast.
    """
    if min(fused.shape[1:]) <= 2 * BORDER:
        return fused.new_full((len(fused),), math.nan)
    tensors = [_structure(source) for source in (visible, infrared)]
    across_x, across_y = (first + second for first, second in zip(*tensors, strict=True))
    strong = (across_x + across_y).sqrt() > EDGE
    horizontal = strong & (across_y > AXIAL * across_x)
    vertical = strong & (across_x > AXIAL * across_y)

    # Half a grey level in the denominator: flat sources divide nothing by nothing.
    gain = _slope_energy(fused) / (_slope_energy(visible) + _slope_energy(infrared) + 0.5)
    allowed = FORGIVEN * gain.clamp(min=1)
    beads = torch.zeros_like(strong)
    for period in PERIODS:
        for edges, along_x in ((horizontal, True), (vertical, False)):
            own, *sources = (
                _oscillation(image, period, along_x) for image in (fused, visible, infrared)
            )
            known = sum(F.max_pool2d(s, 3, stride=1, padding=1) for s in sources)
            beads |= edges & (own - allowed * known > BEAD)
    inner = (slice(None), *(slice(BORDER, -BORDER),) * 2)
    count = (horizontal | vertical)[inner].sum((1, 2))
    return 100 * beads[inner].sum((1, 2)).double() / count.clamp(min=1)


def _structure(image: Tensor) -> tuple[Tensor, Tensor]:
    """Jxx and Jyy, squared slopes in (levels per pixel)^2, over a neighbourhood of sigma 2."""
    slopes = sobel(blur(image, 1), "reflect")
    return blur((slopes[0] / 8).square(), 2), blur((slopes[1] / 8).square(), 2)


def _slope_energy(image: Tensor) -> Tensor:
    """RMS slope in levels per pixel over a neighbourhood of sigma 4, of structure beyond 1.5."""
    slopes = sobel(blur(image, 1.5), "reflect")
    return blur((slopes[0] / 8).square() + (slopes[1] / 8).square(), 4).sqrt()


def _oscillation(image: Tensor, period: int, along_x: bool) -> Tensor:
    """Amplitude of waves of a period along an axis, in grey levels, (N, H, W)."""
    positions = range(-RADIUS, RADIUS + 1)
    envelope = [math.exp(-(x**2) / (2 * LENGTH**2)) for x in positions]
    energy = torch.zeros_like(image)
    for phase in (0, math.pi / 2)[: 1 if period == 2 else 2]:  # at period 2 the sine is nowhere
        wave = [math.cos(2 * math.pi / period * x - phase) for x in positions]
        response = [e * w for e, w in zip(envelope, wave, strict=True)]
        mean = sum(response) / sum(envelope)
        response = [r - mean * e for r, e in zip(response, envelope, strict=True)]  # 0 to a level
        own = abs(sum(r * w for r, w in zip(response, wave, strict=True)))
        response = [r / own for r in response]  # 1 to the wave itself
        down, across = (CROSS, response) if along_x else (response, CROSS)
        energy += separable(image, down, across, "reflect").square()
    return energy.sqrt()
