"""The invertible block that mixes features after each channel interaction and before the head."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.layers.blocks import conv3x3


class HalfInstanceNorm(nn.Module):
    """Residual unit whose first half of channels is instance-normalised (HIN, Chen et al. 2021).

    The statistics are the frame's own, at inference too.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.normed = channels_out // 2
        self.conv1 = conv3x3(channels_in, channels_out)
        self.norm = nn.InstanceNorm2d(self.normed, affine=True)
        self.conv2 = conv3x3(channels_out, channels_out)
        self.identity = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H, W)
        # A bias ahead of an instance norm cancels. In the published weights it is up to 900
        # standard deviations of its channel, which costs FP32 three digits; so it is left out.
        bias = self.conv1.bias
        assert bias is not None
        bias = torch.cat([torch.zeros_like(bias[: self.normed]), bias[self.normed :]])
        h = F.conv2d(x, self.conv1.weight, bias, padding=1)
        normed, plain = h.tensor_split([self.normed], dim=1)
        h = F.leaky_relu(torch.cat([self.norm(normed), plain], dim=1), 0.1)
        return F.leaky_relu(self.conv2(h), 0.1) + self.identity(x)


class DenseBlock(nn.Module):
    """Two half-instance-norm units and a convolution that sees the input and both of them."""

    growth = 16

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.unit1 = HalfInstanceNorm(channels_in, self.growth)
        self.unit2 = HalfInstanceNorm(self.growth, self.growth)
        self.merge = conv3x3(channels_in + 2 * self.growth, channels_out)

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H, W)
        x1 = F.leaky_relu(self.unit1(x), 0.2)
        x2 = F.leaky_relu(self.unit2(x1), 0.2)
        return F.leaky_relu(self.merge(torch.cat([x, x1, x2], dim=1)), 0.2)


class Invertible1x1(nn.Module):
    """1x1 convolution whose matrix stays invertible: P L U (Glow, Kingma & Dhariwal 2018)."""

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels)).Q
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", diagonal.sign())
        self.lower = nn.Parameter(lower.contiguous())
        self.upper = nn.Parameter(upper.triu(1))
        self.log_scale = nn.Parameter(diagonal.abs().log())

    def matrix(self) -> Tensor:
        """(channels, channels) matrix of the convolution."""
        lower = self.lower.tril(-1) + torch.ones_like(self.log_scale).diag()
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_scale.exp())
        return self.permutation @ lower @ upper

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return F.conv2d(x, self.matrix()[:, :, None, None])


class InvertibleBlock(nn.Module):
    """Affine coupling of the first `split` channels with the rest, after a learned mixing.

    Args:
        channels: in and out.
        split: where the two parts meet.
        block: makes each of the three functions inside from its channels in and out; its last
            convolution is called `merge`, and what follows that, if anything, is homogeneous.
    """

    clamp = 0.8  # bound of the log scale

    def __init__(
        self, channels: int, split: int, block: Callable[[int, int], nn.Module] = DenseBlock
    ) -> None:
        super().__init__()
        rest = channels - split
        self.split = split
        self.mixing = Invertible1x1(channels)
        self.shift_first = block(rest, split)
        self.shift_rest = block(split, rest)
        self.scale_rest = block(split, rest)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        first, rest = self.mixing(x).tensor_split([self.split], dim=1)
        first = first + self.shift_first(rest)
        log_scale = self.clamp * (2 * torch.sigmoid(self.scale_rest(first)) - 1)
        rest = rest * torch.exp(log_scale) + self.shift_rest(first)
        return torch.cat([first, rest], dim=1)
