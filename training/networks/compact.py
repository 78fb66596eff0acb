"""A compact network in SHIP's spirit, for camera rate on a processor.

Both frames are taken apart into bands of detail, each half as fine as the one before, as in a
Laplacian pyramid (Burt and Adelson, 1983), and the bands are added up again with weights of their
own for each place. These begin at what such a pyramid does, the band with more contrast, and the
network says how they differ: from statistics of blocks, read from the coarsest to the finest, and
at half resolution from SHIP's high-order interaction, in which features are multiplied by infrared
ones. So detail is always that of the frames, and a weight below zero turns a polarity.

Full resolution is written as the four pixels of each block of 2, as channels at half resolution: an
engine's convolutions are far quicker than its pooling, resizing and shuffling of large planes.
"""

from itertools import pairwise
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from training.architecture import Architecture, FusionNetwork, HalfPrecision, Reason

FINE = 2  # bands whose weights come from the interaction; those of coarser ones from blocks
LEAD = 1.5  # of the band with more contrast: from (0.5, 0.5) to (1.25, -0.25) where it is alone
STABLE = 1e-5  # variance, on [0, 1]: 0.8 grey levels of contrast


class Compact(FusionNetwork):
    """Visible luminance and infrared to fused luminance, by weights for each band and place.

    Args:
        channels: features of either modality in the interaction.
        orders: products of features.
        survey: channels at blocks of 4, 8, 16, ... pixels; multiples of 4 are quickest.
        context: channels in which the survey tells the interaction what it found.
        block: pixels a side that the interaction sees as one, 2 or 4; the finest band is then
            weighed pixel by pixel or in blocks of 2.
    """

    apart: Tensor
    together: Tensor
    enlarge: Tensor
    mean: Tensor
    each: Tensor
    around: Tensor
    same: Tensor

    def __init__(
        self,
        channels: PositiveInt = 16,
        orders: PositiveInt = 2,
        survey: tuple[PositiveInt, ...] = (16, 24, 24, 24),
        context: PositiveInt = 4,
        block: Literal[2, 4] = 2,
    ) -> None:
        super().__init__()
        self.config = {
            "channels": channels,
            "orders": orders,
            "survey": list(survey),
            "context": context,
            "block": block,
        }
        self.block = block
        inputs = [6 + 2 + coarser for coarser in survey[1:]] + [6]
        self.join = nn.ModuleList(conv(n, own) for n, own in zip(inputs, survey, strict=True))
        self.refine = nn.ModuleList(conv(own, own) for own in survey)
        self.weigh = nn.ModuleList(nn.Conv2d(own, 2, 1) for own in survey)
        self.tell = nn.Conv2d(survey[0], context, 1)
        seen = 2 * 4 + 2 * FINE + context
        self.lift_infrared, self.lift_fused = conv(seen, channels), conv(seen, channels)
        self.refine_infrared = nn.ModuleList(conv(channels, channels) for _ in range(orders))
        self.refine_fused = nn.ModuleList(conv(channels, channels) for _ in range(orders))
        self.output = conv(2 * channels, 2 + 2 * 4 if block == 2 else 4 * (2 + 2))
        for name, kernel in _kernels(seen).items():
            self.register_buffer(name, kernel, persistent=False)
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
        pixels = F.conv2d(both, self.apart, stride=2)  # (N, 8, H/2, W/2): V four times, I four
        smaller = [F.conv2d(pixels, self.together)]  # (N, 2, H/2, W/2), (N, 2, H/4, W/4), ...
        for _ in range(FINE + len(self.join) - 2):
            smaller.append(F.avg_pool2d(smaller[-1], 2))
        finest = pixels - self._enlarged_apart(smaller[0])  # (N, 8, H/2, W/2)
        bands = [a - enlarged(b) for a, b in pairwise(smaller)]
        fused, x = self._coarse(pixels, smaller, bands)
        raw = self._fine(smaller[0], pixels, finest, bands[0], fused, x)[..., :height, :width]
        return raw.clamp(0, 1), raw

    def _coarse(
        self, pixels: Tensor, smaller: list[Tensor], bands: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The picture fused down to blocks of 4, and their features; (N, ., H/4, W/4)."""
        v, i = pixels.chunk(2, dim=1)
        products = torch.cat([pixels * pixels, v * i], dim=1)
        means = [torch.cat([smaller[1], F.conv2d(products, self.mean, stride=2)], dim=1)]
        for _ in self.join[1:]:
            means.append(F.avg_pool2d(means[-1], 2))
        last = len(self.join) - 1
        v, i = smaller[-1].chunk(2, dim=1)
        x = F.relu(self.join[last](statistics(means[last])))
        x = x + F.relu(self.refine[last](x))
        share, offset = self.weigh[last](x).chunk(2, dim=1)
        fused = i + (0.6 + share) * (v - i) + 0.2 * offset  # brightness of the largest blocks
        for k in range(last - 1, -1, -1):
            band = bands[k + FINE - 1]
            seen = contrast(band**2)
            x = torch.cat([statistics(means[k]), 8 * seen, enlarged(x)], dim=1)
            x = F.relu(self.join[k](x))
            x = x + F.relu(self.refine[k](x))
            fused = enlarged(fused) + mixed(band, leading(seen) + self.weigh[k](x))
        return fused, x

    def _fine(
        self,
        half: Tensor,
        pixels: Tensor,
        finest: Tensor,
        finer: Tensor,
        fused: Tensor,
        x: Tensor,
    ) -> Tensor:
        """The whole picture (N, 1, H, W), from that of blocks of 4 and the features of these."""
        squares = torch.cat([finest * finest, finer * finer], dim=1)  # (N, 10, H/2, W/2)
        squares = F.conv2d(squares, self.each)  # (N, 4, H/2, W/2)
        contrasts = (F.conv2d(border(squares), self.around) + STABLE).sqrt()
        told = self.tell(x)
        if self.block == 2:
            seen = [pixels, enlarged(told), 8 * contrasts]
        else:
            apart = F.conv2d(half, self.apart, stride=2)
            seen = [apart, told, F.avg_pool2d(8 * contrasts, 2)]
        # Changes nothing, but what comes from one convolution, ONNX Runtime keeps in its layout.
        together = F.conv2d(torch.cat(seen, dim=1), self.same)
        f, r = F.relu(self.lift_fused(together)), F.relu(self.lift_infrared(together))
        first = f
        for refine_infrared, refine_fused in zip(
            self.refine_infrared, self.refine_fused, strict=True
        ):
            r = F.relu(refine_infrared(r))
            f = refine_fused(f) * r
        more = self.output(torch.cat([f, first], dim=1))
        weights = leading(contrasts[:, :2])
        if self.block == 2:
            weights = weights.repeat_interleave(4, dim=1) + more[:, 2:]
        else:
            more = F.pixel_shuffle(more, 2)
            weights = (weights + more[:, 2:]).repeat_interleave(4, dim=1)
        fused = enlarged(fused) + mixed(finer, leading(contrasts[:, 2:]) + more[:, :2])
        v, i = (finest * weights).chunk(2, dim=1)
        return F.pixel_shuffle(self._enlarged_apart(fused) + v + i, 2)

    def _enlarged_apart(self, x: Tensor) -> Tensor:
        """Twice the size, the four pixels of each block of 2 as channels; (N, 4C, H, W)."""
        channels = x.shape[1]
        return F.conv2d(border(x), self.enlarge[: 4 * channels, :channels])


def _kernels(seen: int) -> dict[str, Tensor]:
    """Convolutions that are not learned.

    Returns:
        Both frames taken `apart` into the pixels of blocks of 2, (8, 2, 2, 2); means of such blocks
        `together`, (2, 8, 1, 1); bilinear `enlarge`ment, taken apart, (8, 2, 3, 3); `mean`s over
        blocks of 4 of three products, (3, 12, 2, 2); means of `each` band's squares, (4, 10, 1, 1),
        and those `around` a pixel, (4, 4, 3, 3); and the `same` features, (seen, seen, 1, 1).
    """
    pixel, two = torch.eye(4).view(4, 1, 2, 2), _diagonal(2)
    mean = torch.full((1, 4, 1, 1), 1 / 4)
    # Bilinear: 3/4 of the pixel and 1/4 of its neighbour, along either axis.
    near = torch.tensor([[0.25, 0.75, 0], [0, 0.75, 0.25]])
    bilinear = torch.einsum("ai,bj->abij", near, near).reshape(4, 1, 3, 3)
    each = torch.zeros(4, 10, 1, 1)
    each[:2, :8] = torch.kron(two, mean)
    each[2:, 8:] = two
    return {
        "apart": torch.kron(two, pixel),
        "together": torch.kron(two, mean),
        "enlarge": torch.kron(two, bilinear),
        "mean": torch.kron(_diagonal(3), mean.expand(1, 4, 2, 2) / 4),
        "each": each,
        "around": _diagonal(4).expand(4, 4, 3, 3) / 9,
        "same": _diagonal(seen),
    }


def _diagonal(channels: int) -> Tensor:
    """Each channel to itself, (C, C, 1, 1)."""
    return torch.eye(channels)[:, :, None, None]


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


def border(x: Tensor) -> Tensor:
    """One more pixel all around, like its neighbour."""
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


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


# Measured by `python -m benchmarks narrowing`, like SHIP's. What stands between convolutions, the
# pyramids, contrasts and statistics, is FP32 because the frames are: squares and differences of
# nearly equal means, and no weights.
HALF = HalfPrecision(
    islands={
        "weigh.*": Reason(
            "3.0 dB for 0.1 MB: weights of the coarse bands, which every finer one is added to",
            torch.float,
        ),
    },
    parts=(nn.Conv2d,),
    groups=(
        "join.*",
        "refine.*",
        "tell",
        "lift_*",
        "refine_infrared.*",
        "refine_fused.*",
        "output",
    ),
)

ARCHITECTURE = Architecture(Compact, half=HALF)
