"""A compact network in SHIP's spirit, for camera rate on a processor.

As in SHIP, both modalities interact in high orders: in each, the fused features are multiplied by
infrared ones. It works at half resolution, mixes the frames themselves, so that detail is theirs,
and is told by a survey of each place's surroundings what either camera shows there.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from training.architecture import Architecture, FusionNetwork

FINEST = 4  # pixels, side of the finest blocks that are surveyed; each coarser one has twice that
STABLE = 1e-5  # variance, on [0, 1]: 0.8 grey levels of contrast


class Compact(FusionNetwork):
    """Luminance and infrared to fused luminance, share * visible + (1 - share) * infrared + offset.

    Args:
        channels: features of either modality, at half resolution.
        orders: products of features.
        survey: channels of the survey at blocks of 4, 8, ... pixels.
        context: channels in which the survey tells what it found.
    """

    def __init__(
        self,
        channels: PositiveInt = 16,
        orders: PositiveInt = 3,
        survey: tuple[PositiveInt, ...] = (16, 24, 24, 24),
        context: PositiveInt = 8,
    ) -> None:
        super().__init__()
        self.config = {
            "channels": channels,
            "orders": orders,
            "survey": list(survey),
            "context": context,
        }
        self.block = FINEST << (len(survey) - 1)
        self.survey = Survey(survey, context)
        self.lift = conv(8 + context, 2 * channels)
        self.refine_infrared = nn.ModuleList(conv(channels, channels) for _ in range(orders))
        self.refine_fused = nn.ModuleList(conv(channels, channels) for _ in range(orders))
        self.output = conv(2 * channels, 8)
        assert self.output.bias is not None
        with torch.no_grad():  # begins near the mean of both frames
            self.output.weight *= 0.1
            self.output.bias.copy_(torch.tensor([0.5] * 4 + [0.0] * 4))

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        height, width = visible.shape[2:]
        whole = 0, -width % self.block, 0, -height % self.block  # blocks, at the right and below
        visible, infrared = (F.pad(x, whole, mode="replicate") for x in (visible, infrared))
        both = torch.cat([visible, infrared], dim=1)  # (N, 2, H, W)
        context = self.survey(visible, infrared)  # (N, context, H/2, W/2)
        features = torch.cat([F.pixel_unshuffle(both, 2), context], dim=1)
        f, r = F.relu(self.lift(features)).chunk(2, dim=1)  # (N, channels, H/2, W/2)
        first = f
        for refine_infrared, refine_fused in zip(
            self.refine_infrared, self.refine_fused, strict=True
        ):
            r = F.relu(refine_infrared(r))
            f = refine_fused(f) * r
        share, offset = self.output(torch.cat([f, first], dim=1)).chunk(2, dim=1)
        share, offset = F.pixel_shuffle(share, 2), F.pixel_shuffle(offset, 2)  # (N, 1, H, W)
        raw = infrared + share * (visible - infrared) + offset
        raw = raw[..., :height, :width]
        return raw.clamp(0, 1), raw


class Survey(nn.Module):
    """Statistics of both frames in blocks of several sizes, read from the coarsest to the finest.

    Of each block: both means and deviations, their correlation, and which deviation is larger. So
    it is known which camera shows more of an object, and whether they show it in opposite polarity.
    """

    def __init__(self, channels: tuple[int, ...], context: int) -> None:
        super().__init__()
        coarser = (*channels[1:], 0)
        self.join = nn.ModuleList(
            conv(6 + c, own) for own, c in zip(channels, coarser, strict=True)
        )
        self.refine = nn.ModuleList(conv(own, own) for own in channels)
        self.output = nn.Conv2d(channels[0], context, 1)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """From (N, 1, H, W), multiples of the largest block, to (N, context, H/2, W/2)."""
        products = [visible, infrared, visible**2, infrared**2, visible * infrared]
        means = [F.avg_pool2d(torch.cat(products, dim=1), FINEST)]
        for _ in self.join[1:]:
            means.append(F.avg_pool2d(means[-1], 2))
        x: Tensor | None = None
        for mean, join, refine in reversed(list(zip(means, self.join, self.refine, strict=True))):
            found = statistics(mean)
            x = F.relu(join(found if x is None else torch.cat([found, enlarged(x)], dim=1)))
            x = x + F.relu(refine(x))
        assert x is not None
        return enlarged(self.output(x))


def statistics(means: Tensor) -> Tensor:
    """Of blocks, (N, 5, h, w) means of V, I, V^2, I^2 and V I, to (N, 6, h, w), all around 1."""
    v, i, vv, ii, vi = means.chunk(5, dim=1)
    dv = ((vv - v * v).clamp_min(0) + STABLE).sqrt()
    di = ((ii - i * i).clamp_min(0) + STABLE).sqrt()
    alike = (vi - v * i) / (dv * di)
    return torch.cat([v, i, 4 * dv, 4 * di, alike, (dv - di) / (dv + di)], dim=1)


def enlarged(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Convolution that keeps the frame's size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


ARCHITECTURE = Architecture(Compact)
