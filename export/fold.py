"""SHIP with everything folded that folds exactly: the same network in fewer, cheaper operations.

Only parts are swapped; the order in which they are called stays that of `training.networks`. Not
folded, because it costs more than it saves in ONNX Runtime: the second convolution of the pooled
attention, whose mean over the frame also follows from sums of its input.
"""

import copy

import torch
from torch import Tensor, nn

from export.spectrum import circular_convolution
from training.networks.invertible import InvertibleBlock
from training.networks.layers import CentralDifference, ChannelNorm
from training.networks.ship import CircularConvolution, SpatialInteraction


def fold(network: nn.Module) -> nn.Module:
    """A copy of a network, folded for deployment.

    Args:
        network: one of `training.networks`, FP32, in eval mode.

    Returns:
        A module with the same forward pass, equal up to rounding, for inference only.
    """
    # In FP64, so that a product of matrices costs no digit; rounded once, at the end.
    folded = copy.deepcopy(network).double().requires_grad_(False)
    for parent in list(folded.modules()):
        if isinstance(parent, SpatialInteraction):
            _centre(parent)
        for name, part in list(parent.named_children()):
            if (swapped := _swap(part)) is not part:
                setattr(parent, name, swapped)
    return folded.requires_grad_(False).float().eval()


def _swap(part: nn.Module) -> nn.Module:
    match part:
        case CentralDifference():
            return _convolution(part.kernel())
        case CircularConvolution():
            return MatrixConvolution()
        case ChannelNorm():
            return FoldedNorm(part, centred=False)
        case InvertibleBlock():
            return FoldedInvertibleBlock(part)
    return part


def _convolution(weight: Tensor) -> nn.Conv2d:
    out, in_, size, _ = weight.shape
    conv = nn.Conv2d(in_, out, size, padding=size // 2, bias=False)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    return conv


def _centre(interaction: SpatialInteraction) -> None:
    """Let the convolution ahead of a channel norm put out features whose channel mean is zero."""
    for refine, index in zip(interaction.refine_fused, range(len(interaction.norms)), strict=True):
        conv = refine[-1]
        conv.weight -= conv.weight.mean(0)
        conv.bias -= conv.bias.mean()
        interaction.norms[index] = FoldedNorm(interaction.norms[index], centred=True)


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
