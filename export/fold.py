"""SHIP with everything folded that folds exactly: the same network in fewer, cheaper operations.

Only parts are swapped; the order in which they are called stays that of `training.networks`. Not
folded, because it costs more than it saves in ONNX Runtime: the second convolution of the pooled
attention, whose mean over the frame also follows from sums of its input.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.spectrum import circular_convolution
from training.networks.invertible import HalfInstanceNorm, InvertibleBlock
from training.networks.layers import ChannelNorm, EdgeBlock
from training.networks.ship import (
    CircularConvolution,
    FeatureExtractor,
    SpatialInteraction,
)


def fold(network: nn.Module) -> nn.Module:
    """A copy of a network, folded for deployment.

    Args:
        network: one of `training.networks`, FP32, in eval mode.

    Returns:
        A module with the same forward pass, equal up to rounding, for inference only.
    """
    # In FP64, so that a product of matrices costs no digit; rounded once, at the end.
    folded = copy.deepcopy(network).double().requires_grad_(False)
    return _swap(folded).requires_grad_(False).float().eval()


def _swap(part: nn.Module) -> nn.Module:
    """What takes the place of a part, after its own parts."""
    if isinstance(part, SpatialInteraction):
        _centre(part)
    for name, inner in list(part.named_children()):
        setattr(part, name, _swap(inner))
    match part:
        case FeatureExtractor():
            _drop_lift(part)
        case EdgeBlock():
            return FoldedEdgeBlock(part)
        case HalfInstanceNorm():
            return FoldedHalfInstanceNorm(part)
        case CircularConvolution():
            return MatrixConvolution()
        case ChannelNorm():
            return FoldedNorm(part, centred=False)
        case InvertibleBlock():
            return FoldedInvertibleBlock(part)
    return part


def _convolution(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    out, in_, size, _ = weight.shape
    conv = nn.Conv2d(in_, out, size, padding=size // 2, bias=bias is not None)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias, requires_grad=False)
    return conv


def _centre(interaction: SpatialInteraction) -> None:
    """Let the convolution ahead of a channel norm put out features whose channel mean is zero."""
    for refine, index in zip(interaction.refine_fused, range(len(interaction.norms)), strict=True):
        conv = refine[-1]
        conv.weight -= conv.weight.mean(0)
        conv.bias -= conv.bias.mean()
        interaction.norms[index] = FoldedNorm(interaction.norms[index], centred=True)


def _drop_lift(extractor: FeatureExtractor) -> None:
    """Fold the 1x1 convolution of the input into the 3x3 one behind it."""
    extractor.edge1.process = LiftedConvolution(extractor.lift, extractor.edge1.process)
    extractor.lift = nn.Identity()


class LiftedConvolution(nn.Module):
    """A 1x1 convolution of one channel and a 3x3 one, as one.

    The bias of the first ends where the frame ends; as the weights of a second input channel, all
    ones, it does so in the product too.
    """

    def __init__(self, lift: nn.Conv2d, conv: nn.Conv2d) -> None:
        super().__init__()
        inputs = torch.stack([lift.weight[:, 0, 0, 0], lift.bias], dim=1)  # (C, 2)
        self.conv = _convolution(torch.einsum("ochw,ci->oihw", conv.weight, inputs), conv.bias)

    def forward(self, x: Tensor) -> Tensor:  # (N, 1, H, W) -> (N, C, H, W)
        return self.conv(torch.cat([x, torch.ones_like(x)], dim=1))


class FoldedEdgeBlock(nn.Module):
    """The sum of the two branches' last convolutions as one of both their inputs."""

    def __init__(self, block: EdgeBlock) -> None:
        super().__init__()
        self.process = block.process
        self.residual, _, last = block.residual
        kernel = block.difference.kernel()
        self.merge = _convolution(torch.cat([last.weight, kernel], dim=1), last.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.process(x)
        return self.merge(torch.cat([F.relu(self.residual(x)), x], dim=1))


class FoldedHalfInstanceNorm(nn.Module):
    """Half instance norm; the bias that it cancels is zero already."""

    def __init__(self, unit: HalfInstanceNorm) -> None:
        super().__init__()
        self.half = unit.half
        self.conv1, self.norm, self.conv2 = unit.conv1, unit.norm, unit.conv2
        self.identity = unit.identity
        self.conv1.bias[: self.half] = 0

    def forward(self, x: Tensor) -> Tensor:
        normed, plain = self.conv1(x).tensor_split([self.half], dim=1)
        normed = self.norm(normed)
        h = F.leaky_relu(torch.cat([normed, plain.to(normed.dtype)], dim=1), 0.1)
        return F.leaky_relu(self.conv2(h), 0.1) + self.identity(x)


class MatrixConvolution(nn.Module):
    """Circular convolution by small matrix products, see `export.spectrum`."""

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return circular_convolution(visible, infrared)


class FoldedNorm(nn.Module):
    """Channel norm; `centred` says that its input has mean zero over the channels already."""

    def __init__(self, norm: ChannelNorm, centred: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(norm.weight[:, None, None])
        self.bias = nn.Parameter(norm.bias[:, None, None])
        self.eps = norm.eps
        self.centred = centred

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
        self.mix_first = _convolution(matrix[: block.split])
        self.mix_rest = _convolution(matrix[block.split :])
        self.shift_first = block.shift_first
        self.shift_rest = block.shift_rest
        self.scale_rest = block.scale_rest
        self.scale_rest.merge.weight /= 2  # ahead of a leaky relu, which any factor passes
        self.scale_rest.merge.bias /= 2
        self.clamp = block.clamp

    def forward(self, x: Tensor) -> Tensor:
        first, rest = self.mix_first(x), self.mix_rest(x)
        first = first + self.shift_first(rest)
        scale = torch.exp(self.clamp * torch.tanh(self.scale_rest(first)))
        return torch.cat([first, rest * scale + self.shift_rest(first)], dim=1)
