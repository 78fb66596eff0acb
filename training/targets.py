"""Known targets, as drawn scenes have them: what each stands out by in the source that shows it.

It is the measure of `benchmarks.targets`, for a loss: |mean over the mask - mean of the ring around
its box|, here with the ring's mean in place of its median, which has a gradient almost nowhere.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

MOST = 8  # targets of one crop
SMALLEST = 12  # pixels of a target, and of its ring
FAINTEST = 8 / 255  # what a source must show of it
WANTED = 0.95  # share of the stronger source's contrast; more is no gain


def missing(fused: Tensor, visible: Tensor, infrared: Tensor, numbers: Tensor) -> Tensor:
    """Mean over all targets of the square of the share of the contrast that is missing.

    Args:
        fused: (N, 1, H, W), raw.
        visible: luminance, same shape, in [0, 1].
        infrared: same shape, in [0, 1].
        numbers: of targets, same shape, uint8: 0, or 1 to `MOST`.

    Returns:
        0 where there are no targets. The sign of a contrast is free.
    """
    wanted = torch.arange(1, MOST + 1, dtype=numbers.dtype, device=numbers.device)
    masks = numbers == wanted[:, None, None]  # (N, MOST, H, W)
    rings = around(masks)
    images = torch.cat([fused, visible, infrared], dim=1).flatten(2).transpose(1, 2)  # (N, HW, 3)
    inside, outside = (places.flatten(2).float() for places in (masks, rings))
    areas = torch.stack([inside.sum(2), outside.sum(2)])  # (2, N, MOST)
    means = torch.stack([inside @ images, outside @ images]) / areas.clamp_min(1)[..., None]
    own, *shown = (means[0] - means[1]).abs().unbind(-1)  # (N, MOST) each
    strongest = torch.maximum(*shown)
    counts = ((areas >= SMALLEST).all(0) & (strongest >= FAINTEST)).float()
    lack = F.relu(WANTED - own / strongest.clamp_min(FAINTEST)) ** 2
    return (counts * lack).sum() / counts.sum().clamp_min(1)


def around(masks: Tensor) -> Tensor:
    """Rings around the boxes of masks, half the shorter side wide, 2 pixels at least.

    Args:
        masks: (N, K, H, W) bool; an empty one has no ring.
    """
    inner, outer = [], []
    for sides in (masks.any(3)[..., :, None], masks.any(2)[..., None, :]):  # rows, columns
        length = max(sides.shape[2:])
        at = torch.arange(length, device=masks.device).view(sides.shape[2:])
        first = at.expand_as(sides).masked_fill(~sides, length).amin((2, 3), keepdim=True)
        last = at.expand_as(sides).masked_fill(~sides, -1).amax((2, 3), keepdim=True)
        inner.append((at, first, last))
    shorter = torch.minimum(*(last - first + 1 for _, first, last in inner))
    margin = torch.clamp((shorter + 1) // 2, min=2)
    outer = [(at, first - margin, last + margin) for at, first, last in inner]
    box, wider = (_within(spans) for spans in (inner, outer))
    return wider & ~box & masks.any(3).any(2)[..., None, None]


def _within(spans: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    rows, columns = ((at >= first) & (at <= last) for at, first, last in spans)
    return rows & columns
