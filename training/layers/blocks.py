"""Small parts: plain convolutions, the edge block, the norm over channels, pooled attention."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv3x3(channels_in: int, channels_out: int) -> nn.Conv2d:
    """Convolution that keeps the frame's size (zero padding of one pixel)."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def refinement(channels: int) -> nn.Sequential:
    """The paper's "reflash" of features: conv3x3, relu, conv3x3."""
    return nn.Sequential(conv3x3(channels, channels), nn.ReLU(), conv3x3(channels, channels))


def attention_refinement(channels: int) -> nn.Sequential:
    """Two 1x1 convolutions with a bottleneck of half the width, on (N, channels, 1, 1)."""
    return nn.Sequential(
        nn.Conv2d(channels, channels // 2, 1), nn.ReLU(), nn.Conv2d(channels // 2, channels, 1)
    )


class CentralDifference(nn.Module):
    """Learned cross-shaped and diagonal differences, mixed, plus the input itself.

    A plain convolution reacts to brightness; subtracting `strength` times the sum of its taps at
    the centre makes it react to changes (CDC, Yu et al., CVPR 2020; here on two sparse stencils).
    """

    CROSS = (1, 3, 4, 5, 7)  # taps of a 3x3 kernel in reading order
    DIAGONAL = (0, 2, 4, 6, 8)
    CENTRE = 4
    strength = 0.8
    taps: Tensor  # both, (2, 5); as an index of Python's they would be copied to a GPU every time

    def __init__(self, channels: int) -> None:
        super().__init__()
        scale = (3 / (5 * channels)) ** 0.5  # He initialisation for five taps, gain 1
        self.cross = nn.Parameter(torch.empty(channels, channels, 5).uniform_(-scale, scale))
        self.diagonal = nn.Parameter(torch.empty(channels, channels, 5).uniform_(-scale, scale))
        self.mix = nn.Parameter(torch.zeros(1))
        taps = torch.tensor([self.CROSS, self.DIAGONAL])
        self.register_buffer("taps", taps, persistent=False)

    def kernel(self) -> Tensor:
        """The whole layer, identity included, as one (C, C, 3, 3) convolution without bias."""
        share = torch.sigmoid(self.mix)
        channels = self.cross.shape[0]
        kernel = self.cross.new_zeros(channels, channels, 9)
        for weight, taps, part in (
            (self.cross, self.taps[0], share),
            (self.diagonal, self.taps[1], 1 - share),
        ):
            stencil = torch.zeros_like(kernel).index_copy(2, taps, weight)
            stencil[..., self.CENTRE] -= self.strength * weight.sum(-1)
            kernel = kernel + part * stencil
        identity = torch.zeros_like(kernel)
        identity[..., self.CENTRE] = torch.eye(channels, dtype=kernel.dtype, device=kernel.device)
        return (kernel + identity).view(channels, channels, 3, 3)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return F.conv2d(x, self.kernel(), padding=1)


class EdgeBlock(nn.Module):
    """A convolution, then a residual branch beside a central-difference branch."""

    def __init__(self, channels: int, channels_in: int | None = None) -> None:
        super().__init__()
        self.process: nn.Module = conv3x3(channels_in or channels, channels)
        self.residual = refinement(channels)
        self.difference = CentralDifference(channels)

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, C, H, W)
        x = self.process(x)
        return self.residual(x) + self.difference(x)


class FrameMean(nn.Module):
    """Mean of each channel over the frame."""

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, 1, 1)
        return x.mean((2, 3), keepdim=True)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel: biased variance, weight and bias per channel.

    FP32 at least: where the channels of a pixel agree, the gradient takes a factor of up to
    eps**-1.5 = 3e7 on its way back, beyond FP16's range.
    """

    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        pixels = x.permute(0, 2, 3, 1).to(torch.promote_types(x.dtype, torch.float32))
        pixels = F.layer_norm(pixels, self.weight.shape, self.weight, self.bias, self.eps)
        return pixels.permute(0, 3, 1, 2).to(x.dtype)


class PooledAttention(nn.Module):
    """Adds a constant per channel, chosen from the frame's mean response (nothing is scaled)."""

    hidden = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.process = refinement(channels)
        self.pool = FrameMean()
        self.gate = nn.Sequential(
            nn.Conv2d(channels, self.hidden, 1),
            nn.ReLU(),
            nn.Conv2d(self.hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        pooled = self.pool(self.process(x))  # (N, C, 1, 1)
        return x + self.gate(pooled) * pooled
