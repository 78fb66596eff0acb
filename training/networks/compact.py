"""A compact network in SHIP's spirit, for camera rate on a processor.

Both frames are taken apart into bands of detail, each half as fine as the one before, as in a
Laplacian pyramid (Burt and Adelson, 1983), and the bands are added up again with weights of their
own for each place. These begin at what such a pyramid does, the band with more contrast, and the
network says how they differ: from statistics of blocks, read from the coarsest to the finest, and
at half resolution from SHIP's high-order interaction, in which features are multiplied by infrared
ones. So detail is always that of the frames, and a weight below zero turns a polarity.
"""

from itertools import pairwise

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from training.architecture import Architecture, FusionNetwork

FINE = 2  # bands whose weights come from half resolution; those of coarser ones from blocks
LEAD = 1.5  # of the band with more contrast: from (0.5, 0.5) to (1.25, -0.25) where it is alone
STABLE = 1e-5  # variance, on [0, 1]: 0.8 grey levels of contrast


class Compact(FusionNetwork):
    """Visible luminance and infrared to fused luminance, by weights for each band and place.

    Args:
        channels: features of either modality, at half resolution.
        orders: products of features.
        survey: channels at blocks of 4, 8, 16, ... pixels.
        context: channels in which the survey tells half resolution what it found.
    """

    def __init__(
        self,
        channels: PositiveInt = 16,
        orders: PositiveInt = 2,
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
        coarser = (*survey[1:], 0)
        self.join = nn.ModuleList(conv(6 + c, own) for own, c in zip(survey, coarser, strict=True))
        self.refine = nn.ModuleList(conv(own, own) for own in survey)
        self.weigh = nn.ModuleList(nn.Conv2d(own, 2, 1) for own in survey)
        self.tell = nn.Conv2d(survey[0], context, 1)
        self.lift = conv(2 * 4 + context + 2 * FINE, 2 * channels)
        self.refine_infrared = nn.ModuleList(conv(channels, channels) for _ in range(orders))
        self.refine_fused = nn.ModuleList(conv(channels, channels) for _ in range(orders))
        self.output = conv(2 * channels, 2 + 2 * 4)
        self._initialise()

    def _initialise(self) -> None:
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                assert part.bias is not None
                nn.init.zeros_(part.bias)
        with torch.no_grad():
            for weights in (self.output, *self.weigh):
                weights.get_parameter("weight").mul_(0.1)
            for factors in self.refine_infrared:  # the fused features are multiplied by: about 1
                factors.get_parameter("weight").mul_(0.5)
                factors.get_parameter("bias").fill_(1)

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        height, width = visible.shape[2:]
        block = 4 << (len(self.join) - 1)
        right, below = ((side + block - 1) // block * block - side for side in (width, height))
        both = torch.cat([visible, infrared], dim=1)
        both = F.pad(both, (0, right, 0, below), mode="replicate")  # to whole blocks
        smaller = [both]  # (N, 2, H, W), (N, 2, H/2, W/2), ...
        for _ in range(FINE + len(self.join) - 1):
            smaller.append(F.avg_pool2d(smaller[-1], 2))
        bands = [a - enlarged(b) for a, b in pairwise(smaller)]
        fused, x = self._coarse(both, smaller, bands)
        raw = self._fine(both, bands, fused, x)[..., :height, :width]
        return raw.clamp(0, 1), raw

    def _coarse(
        self, both: Tensor, smaller: list[Tensor], bands: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The picture fused down to blocks of 4, and their features; (N, ., H/4, W/4)."""
        v, i = both.chunk(2, dim=1)
        means = [F.avg_pool2d(torch.cat([both, both**2, v * i], dim=1), 4)]
        for _ in self.join[1:]:
            means.append(F.avg_pool2d(means[-1], 2))
        last = len(self.join) - 1
        x, fused = both, both
        for k in range(last, -1, -1):
            found = statistics(means[k])
            x = F.relu(self.join[k](found if k == last else torch.cat([found, enlarged(x)], dim=1)))
            x = x + F.relu(self.refine[k](x))
            more = self.weigh[k](x)
            if k == last:  # no band: the brightness of the largest blocks
                v, i = smaller[-1].chunk(2, dim=1)
                share, offset = more.chunk(2, dim=1)
                fused = i + (0.6 + share) * (v - i) + 0.2 * offset
            else:
                band = bands[k + FINE]
                fused = enlarged(fused) + mixed(band, leading(contrast(band**2)) + more)
        return fused, x

    def _fine(self, both: Tensor, bands: list[Tensor], fused: Tensor, x: Tensor) -> Tensor:
        """The whole picture (N, 1, H, W), from that of blocks of 4 and the features of these."""
        finest = contrast(F.avg_pool2d(bands[0] ** 2, 2))
        finer = contrast(bands[1] ** 2)  # both (N, 2, H/2, W/2)
        seen = [F.pixel_unshuffle(both, 2), enlarged(self.tell(x)), 8 * finest, 8 * finer]
        f, r = F.relu(self.lift(torch.cat(seen, dim=1))).chunk(2, dim=1)
        first = f
        for refine_infrared, refine_fused in zip(
            self.refine_infrared, self.refine_fused, strict=True
        ):
            r = F.relu(refine_infrared(r))
            f = refine_fused(f) * r
        more = self.output(torch.cat([f, first], dim=1))
        fused = enlarged(fused) + mixed(bands[1], leading(finer) + more[:, :2])
        weights = leading(finest).repeat_interleave(4, dim=1) + more[:, 2:]  # V four times, I four
        return enlarged(fused) + mixed(bands[0], F.pixel_shuffle(weights, 2))


def statistics(means: Tensor) -> Tensor:
    """Of blocks, (N, 5, h, w) means of V, I, V^2, I^2 and V I, to (N, 6, h, w), all around 1.

    Both means and deviations, their correlation, and by how much either deviation is larger.
    """
    v, i, vv, ii, vi = means.chunk(5, dim=1)
    dv = ((vv - v * v).clamp_min(0) + STABLE).sqrt()
    di = ((ii - i * i).clamp_min(0) + STABLE).sqrt()
    alike = (vi - v * i) / (dv * di)
    return torch.cat([v, i, 4 * dv, 4 * di, alike, (dv - di) / (dv + di)], dim=1)


def contrast(squares: Tensor) -> Tensor:
    """Root mean square over 3x3."""
    mean = F.avg_pool2d(squares, 3, stride=1, padding=1, count_include_pad=False)
    return (mean + STABLE).sqrt()


def leading(contrasts: Tensor) -> Tensor:
    """Weights (N, 2, h, w) of both frames' bands by their contrasts, more for the stronger."""
    v, i = contrasts.chunk(2, dim=1)
    lead = LEAD / 2 * (v - i) / (v + i)
    return torch.cat([0.5 + lead, 0.5 - lead], dim=1)


def mixed(band: Tensor, weights: Tensor) -> Tensor:
    """Both frames' band, added with its weights: (N, 2, h, w) each, to (N, 1, h, w)."""
    return (band * weights).sum(dim=1, keepdim=True)


def enlarged(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Convolution that keeps the frame's size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


ARCHITECTURE = Architecture(Compact)
