"""Folded forms of shared layers: the same functions in fewer, cheaper operations, for inference."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.layers.blocks import ChannelNorm, EdgeBlock
from training.layers.invertible import HalfInstanceNorm, InvertibleBlock
from training.layers.phase import MatrixPhaseMix, PhaseMix
from training.layers.spectrum import CircularConvolution, MatrixConvolution


def convolution(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """A convolution with weights (out, in, size, size) and (out,) that keeps a frame's size."""
    out, in_, size, _ = weight.shape
    conv = nn.Conv2d(in_, out, size, padding=size // 2, bias=bias is not None)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias, requires_grad=False)
    return conv


def weights(part: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution; to be changed in place, if need be."""
    assert isinstance(part, nn.Conv2d) and part.bias is not None
    return part.weight, part.bias


class FoldedEdgeBlock(nn.Module):
    """The sum of the two branches' last convolutions as one of both their inputs."""

    def __init__(self, block: EdgeBlock) -> None:
        super().__init__()
        self.process = block.process
        self.residual, _, last = block.residual
        weight, bias = weights(last)
        self.merge = convolution(torch.cat([weight, block.difference.kernel()], dim=1), bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.process(x)
        return self.merge(torch.cat([F.relu(self.residual(x)), x], dim=1))


class FoldedHalfInstanceNorm(nn.Module):
    """Half instance norm, its last sum and the 1x1 convolution in it as one of both their inputs.

    The bias that the norm cancels is zero already.
    """

    def __init__(self, unit: HalfInstanceNorm) -> None:
        super().__init__()
        self.normed = unit.normed
        self.conv1, self.norm, self.conv2 = unit.conv1, unit.norm, unit.conv2
        weights(self.conv1)[1][: self.normed] = 0
        weight, bias = weights(unit.identity)
        same = torch.eye(len(weight), dtype=weight.dtype)[:, :, None, None]
        self.merge = convolution(torch.cat([same, weight], dim=1), bias)

    def forward(self, x: Tensor) -> Tensor:
        normed, plain = self.conv1(x).tensor_split([self.normed], dim=1)
        normed = self.norm(normed)
        h = F.leaky_relu(torch.cat([normed, plain.to(normed.dtype)], dim=1), 0.1)
        return self.merge(torch.cat([F.leaky_relu(self.conv2(h), 0.1), x], dim=1))


class FoldedNorm(nn.Module):
    """Channel norm.

    Attributes:
        centred: a network that puts features of channel mean zero in says so here.
    """

    def __init__(self, norm: ChannelNorm) -> None:
        super().__init__()
        self.weight = nn.Parameter(norm.weight[:, None, None])
        self.bias = nn.Parameter(norm.bias[:, None, None])
        self.eps = norm.eps
        self.centred = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.centred:
            x = x - x.mean(1, keepdim=True)
        scale = torch.rsqrt((x * x).mean(1, keepdim=True) + self.eps)  # (N, 1, H, W)
        return x * scale * self.weight + self.bias


class FoldedInvertibleBlock(nn.Module):
    """Mixing as one matrix for each half, so nothing is split; 2 sigmoid(x) - 1 as tanh(x/2)."""

    def __init__(self, block: InvertibleBlock) -> None:
        super().__init__()
        matrix = block.mixing.matrix()[:, :, None, None]
        self.mix_first = convolution(matrix[: block.split])
        self.mix_rest = convolution(matrix[block.split :])
        self.shift_first = block.shift_first
        self.shift_rest = block.shift_rest
        self.scale_rest = block.scale_rest
        for tensor in weights(self.scale_rest.get_submodule("merge")):
            tensor /= 2  # ahead of a leaky relu at most, which any factor passes
        self.clamp = block.clamp

    def forward(self, x: Tensor) -> Tensor:
        first, rest = self.mix_first(x), self.mix_rest(x)
        first = first + self.shift_first(rest)
        scale = torch.exp(self.clamp * torch.tanh(self.scale_rest(first)))
        return torch.cat([first, rest * scale + self.shift_rest(first)], dim=1)


FOLDS: Mapping[type[nn.Module], Callable[[Any], nn.Module]] = {
    EdgeBlock: FoldedEdgeBlock,
    HalfInstanceNorm: FoldedHalfInstanceNorm,
    ChannelNorm: FoldedNorm,
    InvertibleBlock: FoldedInvertibleBlock,
    CircularConvolution: lambda _: MatrixConvolution(),
    PhaseMix: MatrixPhaseMix,
}
"""What takes the place of each layer; see `training.architecture.Architecture.folds`."""
