"""SHIP: Synergistic High-order Interaction Paradigm (Zheng et al., CVPR 2024).

The reference network, to be read beside the paper. It is exact and slow; `export` turns it into the
graph that runs. C = `channels`, all features are (N, C, H, W).
"""

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from training.architecture import FusionNetwork
from training.layers.blocks import (
    ChannelNorm,
    EdgeBlock,
    FrameMean,
    PooledAttention,
    attention_refinement,
    conv3x3,
    refinement,
)
from training.layers.invertible import InvertibleBlock
from training.layers.spectrum import CircularConvolution


class FeatureExtractor(nn.Module):
    """Lifts one modality, (N, 1, H, W), to C features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lift: nn.Module = nn.Conv2d(1, channels, 1)
        self.edge1 = EdgeBlock(channels)
        self.edge2 = EdgeBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.edge2(self.edge1(self.lift(x)))


class SpatialInteraction(nn.Module):
    """High-order spatial interaction: global first, then one local product for each order."""

    def __init__(self, channels: int, orders: int) -> None:
        super().__init__()
        self.convolution = CircularConvolution()
        self.norm = ChannelNorm(channels)
        self.refine_fused = nn.ModuleList(refinement(channels) for _ in range(orders))
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(orders))
        self.refine_infrared = nn.ModuleList(refinement(channels) for _ in range(orders))

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        fused = self.norm(self.convolution(visible, infrared)) * infrared  # first order
        for refine_fused, norm, refine_infrared in zip(
            self.refine_fused, self.norms, self.refine_infrared, strict=True
        ):
            infrared = refine_infrared(infrared)
            fused = norm(refine_fused(fused)) * infrared
        return fused + visible, infrared


class ChannelInteraction(nn.Module):
    """High-order channel interaction: attention over both modalities' channels, once an order."""

    def __init__(self, channels: int, orders: int) -> None:
        super().__init__()
        both = 2 * channels
        self.pool = FrameMean()
        self.attention = attention_refinement(both)
        self.refine_attention = nn.ModuleList(attention_refinement(both) for _ in range(orders))
        self.refine_fused = nn.ModuleList(refinement(both) for _ in range(orders))
        self.mix = InvertibleBlock(both, split=channels)
        self.project = nn.Conv2d(both, channels, 1)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        fused = torch.cat([visible, infrared], dim=1)  # (N, 2C, H, W)
        attention = self.attention(self.pool(fused)).softmax(dim=1)  # (N, 2C, 1, 1)
        fused = fused * attention  # first order
        for refine_fused, refine_attention in zip(
            self.refine_fused, self.refine_attention, strict=True
        ):
            attention = refine_attention(attention).softmax(dim=1)
            fused = refine_fused(fused) * attention
        return self.project(self.mix(fused)) + visible


class Interaction(nn.Module):
    """One synergistic interaction: spatial, then channel. The infrared features carry over."""

    def __init__(self, channels: int, orders: int) -> None:
        super().__init__()
        self.spatial = SpatialInteraction(channels, orders)
        self.channel = ChannelInteraction(channels, orders)

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        visible, infrared = self.spatial(visible, infrared)
        return self.channel(visible, infrared), infrared


class SHIP(FusionNetwork):
    """Fuses a visible and an infrared frame.

    Args:
        channels: C, features per modality (16 in the paper).
        interactions: synergistic interactions in a row (3 in the paper); the head merges them all.
        orders: local products in each spatial and each channel interaction (3 in the paper).
    """

    def __init__(
        self, channels: PositiveInt = 16, interactions: PositiveInt = 3, orders: PositiveInt = 3
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "interactions": interactions, "orders": orders}
        merged = interactions * channels
        self.visible_features = FeatureExtractor(channels)
        self.infrared_features = FeatureExtractor(channels)
        self.interactions = nn.ModuleList(
            Interaction(channels, orders) for _ in range(interactions)
        )
        self.merge = InvertibleBlock(merged, split=merged // 2)
        self.project = nn.Conv2d(merged, channels, 1)
        self.head = conv3x3(channels, channels)
        self.attention1 = PooledAttention(channels)
        self.attention2 = PooledAttention(channels)
        self.output = conv3x3(channels, 1)

    def forward(self, visible_y: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse luminances.

        Args:
            visible_y: luminance of the visible frame in [0, 1], (N, 1, H, W), H and W at least 16.
            infrared: the aligned infrared frame in [0, 1], (N, 1, H, W).

        Returns:
            (fused_y, raw), both (N, 1, H, W): the fused luminance clamped to [0, 1], and unclamped.
        """
        visible = self.visible_features(visible_y)
        heat = self.infrared_features(infrared)
        levels = []
        for interaction in self.interactions:
            visible, heat = interaction(visible, heat)
            levels.append(visible)
        merged = self.project(self.merge(torch.cat(levels, dim=1)))
        raw = self.output(self.attention2(self.attention1(self.head(merged))))
        return raw.clamp(0, 1), raw
