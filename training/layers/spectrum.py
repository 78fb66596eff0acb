"""Circular convolution over the whole frame, by transforms and in the form that is deployed."""

import torch
from torch import Tensor, nn


class CircularConvolution(nn.Module):
    """Each channel of one feature map convolved with that of the other, over the whole frame.

    The product of the spectra: every pixel meets every other one, which is what SHIP's global
    spatial interaction stands on. FP32 at least: the DC term is H * W * mean, beyond FP16's range.
    """

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        dtype = torch.promote_types(visible.dtype, torch.float32)
        with torch.autocast(visible.device.type, enabled=False):
            spectrum = torch.fft.rfft2(visible.to(dtype)) * torch.fft.rfft2(infrared.to(dtype))
            return torch.fft.irfft2(spectrum, s=visible.shape[-2:])


class MatrixConvolution(nn.Module):
    """The same as an operator that `export.spectrum` translates into small matrix products."""

    passes = 33  # over features: five steps for each spectrum, three for the product, five back

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return circular_convolution(visible, infrared)


@torch.library.custom_op("ship_deploy::circular_convolution", mutates_args=())
def circular_convolution(x: Tensor, y: Tensor) -> Tensor:
    """Circular convolution of each channel of x with that of y over the frame, (N, C, H, W)."""
    return torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(y), s=x.shape[-2:])


@circular_convolution.register_fake
def _(x: Tensor, y: Tensor) -> Tensor:
    return torch.empty_like(x)


OPERATOR = torch.ops.ship_deploy.circular_convolution.default
