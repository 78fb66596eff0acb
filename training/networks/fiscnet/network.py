"""FISCNet: Frequency Integration and Spatial Compensation Network (Zheng et al.).

The reference network, to be read beside the paper. It is exact and slow; `export` turns it into the
graph that runs. C = `channels`, all features are (N, C, H, W).
"""

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from training.architecture import FusionNetwork
from training.layers.blocks import EdgeBlock, FrameMean, PooledAttention, conv3x3
from training.layers.invertible import DenseBlock, InvertibleBlock
from training.layers.phase import PhaseMix


class MultiScaleBlock(nn.Module):
    """One dense block at three scales, weighted by channel and merged."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.dense = DenseBlock(channels_in, channels_out)
        self.pool = FrameMean()
        self.squeeze = nn.Sequential(conv1x1(channels_out, channels_out), nn.LeakyReLU(0.1))
        self.weigh = nn.ModuleList(
            nn.Sequential(conv1x1(channels_out, channels_out), nn.LeakyReLU(0.1)) for _ in range(3)
        )
        self.merge = conv1x1(3 * channels_out, channels_out)
        for part in self.dense.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.xavier_normal_(part.weight, gain=0.1)
                assert part.bias is not None
                nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H, W)
        scales = [
            self.dense(x),
            enlarged(self.dense(half(x)), x),
            enlarged(self.dense(quarter(x)), x),
        ]
        # The mean of their sum.
        pooled = self.squeeze(torch.stack([self.pool(s) for s in scales]).sum(0))
        weighted = [s * weigh(pooled) for s, weigh in zip(scales, self.weigh, strict=True)]
        return self.merge(torch.cat(weighted, dim=1))


def half(x: Tensor) -> Tensor:
    """The mean of each 2x2 block; a row or column that is left over is dropped."""
    return F.avg_pool2d(x, 2)


def quarter(x: Tensor) -> Tensor:
    """The mean of the middle 2x2 of each 4x4 block: bilinear, a quarter of the size."""
    return F.avg_pool2d(x[..., 1:-1, 1:-1], 2, stride=4)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the size of `like`."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class FrameStatistic(nn.Module):
    """Mean plus standard deviation of each channel over the frame. FP32 at least: squares."""

    smallest = 1e-20  # variance below which no gradient flows, as it has no bound

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, 1, 1)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = wide.mean((2, 3), keepdim=True)
        variance = (wide - mean).square().mean((2, 3), keepdim=True)
        return (mean + variance.clamp_min(self.smallest).sqrt()).to(x.dtype)


class Compensation(nn.Module):
    """What one source has and the fused features lack, by place and then by channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.where = nn.Sequential(
            conv3x3(channels, hidden), nn.LeakyReLU(0.1), conv3x3(hidden, channels), nn.Sigmoid()
        )
        self.statistic = FrameStatistic()
        self.gate = nn.Sequential(
            conv1x1(2 * channels, hidden),
            nn.LeakyReLU(0.1),
            conv1x1(hidden, 2 * channels),
            nn.Sigmoid(),
        )
        self.merge = conv3x3(2 * channels, channels)

    def forward(self, fused: Tensor, source: Tensor) -> Tensor:
        both = torch.cat([fused * (1 + self.where(source - fused)), fused], dim=1)  # (N, 2C, H, W)
        return self.merge(self.gate(self.statistic(both)) * both) + fused


class Interaction(nn.Module):
    """Fused features compensated from both sources, mixed and merged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.visible = Compensation(channels)
        self.infrared = Compensation(channels)
        self.mix = InvertibleBlock(2 * channels, split=channels, block=MultiScaleBlock)
        self.merge = conv3x3(2 * channels, channels)

    def forward(self, fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
        both = [self.visible(fused, visible), self.infrared(fused, infrared)]
        return self.merge(self.mix(torch.cat(both, dim=1)))


class Level(nn.Module):
    """Features of all three, phases mixed into the fused ones, then the interaction."""

    def __init__(self, channels: int, floor: float) -> None:
        super().__init__()
        self.fused = EdgeBlock(channels)
        self.visible = EdgeBlock(channels)
        self.infrared = EdgeBlock(channels)
        self.phases = PhaseMix(floor)
        self.interaction = Interaction(channels)

    def forward(
        self, fused: Tensor, visible: Tensor, infrared: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        visible, infrared = self.visible(visible), self.infrared(infrared)
        fused = self.phases(self.fused(fused), visible, infrared)
        return self.interaction(fused, visible, infrared), visible, infrared


class FISCNet(FusionNetwork):
    """Fuses a visible and an infrared frame.

    Args:
        channels: C, features of each of the three (16 in the paper).
        levels: 3 in the paper. The first mixes phases of the frames, the others of features.
        phase_floor: magnitude below which a phase counts as zero, see `PhaseMix`; 0 as published.
    """

    def __init__(
        self,
        channels: PositiveInt = 16,
        levels: PositiveInt = 3,
        phase_floor: NonNegativeFloat = 4e-6,
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "levels": levels, "phase_floor": phase_floor}
        self.phases = PhaseMix(phase_floor)
        self.lift = EdgeBlock(channels, channels_in=1)
        self.interaction = Interaction(channels)
        self.levels = nn.ModuleList(Level(channels, phase_floor) for _ in range(levels - 1))
        self.head = conv3x3(channels, channels)
        self.attention1 = PooledAttention(channels)
        self.attention2 = PooledAttention(channels)
        self.output = conv3x3(channels, 1)

    def forward(self, visible_y: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse luminances.

        Args:
            visible_y: luminance of the visible frame in [0, 1], (N, 1, H, W), H and W at least 8.
            infrared: the aligned infrared frame in [0, 1], (N, 1, H, W).

        Returns:
            (fused_y, raw), both (N, 1, H, W): the fused luminance clamped to [0, 1], and unclamped.
        """
        mixed = self.phases(visible_y, visible_y, infrared)
        # The same weights for all three.
        fused, visible, infrared = (self.lift(x) for x in (mixed, visible_y, infrared))
        fused = self.interaction(fused, visible, infrared)
        for level in self.levels:
            fused, visible, infrared = level(fused, visible, infrared)
        raw = self.output(self.attention2(self.attention1(self.head(fused))))
        return raw.clamp(0, 1), raw


def conv1x1(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A product of channels."""
    return nn.Conv2d(channels_in, channels_out, 1)
