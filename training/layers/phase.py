"""Phase mixing: the amplitudes of one spectrum with the phases of two others."""

import torch
from torch import Tensor, nn

PEAK = 1 / 40  # weight of the largest |z| in the floor of a phase


class PhaseMix(nn.Module):
    """Amplitudes of one map, phases of two more, channel by channel, over the whole frame.

    |irfft2(|A| (u(V) + u(R)))|, with u(z) = z / |z|. FP32 at least: spectra span ten orders of
    magnitude.

    A phase says nothing where there is nothing: rounding decides it, and it counts in full. So
    u = 1 where |z| is at most `floor` times the root of the mean of |z|^2 over the spectrum, or
    `floor` / 40 times the largest |z| of it without the mean. The second one is what counts for
    ramps and boxes, whose spectra are a few peaks that leave their rounding errors around them.

    Args:
        floor: see above; 0 for u = 1 at 0 alone, as published.
    """

    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, amplitude: Tensor, phase1: Tensor, phase2: Tensor) -> Tensor:
        dtype = torch.promote_types(amplitude.dtype, torch.float32)
        with torch.autocast(amplitude.device.type, enabled=False):
            a, v, r = (x.to(dtype) for x in (amplitude, phase1, phase2))
            mixed = spectrum(a).abs() * (self._phase(v) + self._phase(r))
            return torch.fft.irfft2(mixed, s=a.shape[-2:]).abs()

    def _phase(self, x: Tensor) -> Tensor:
        """U of the spectrum of x."""
        z = spectrum(x)
        with torch.no_grad():
            size = z.abs()
            # Parseval: the mean of |z|^2 over the whole spectrum is the sum of x^2.
            root = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
            peak = size.flatten(2)[..., 1:].amax(2)[..., None, None]  # the mean leaves no errors
            floor = self.floor * torch.maximum(root, PEAK * peak)
        z = torch.where(size <= floor, 1, z)
        return z / z.abs()


def spectrum(x: Tensor) -> Tensor:
    """Half the spectrum, (N, C, H, W) to (N, C, H, W // 2 + 1).

    The mean is transformed apart, as H W times it would leave its rounding errors everywhere.
    """
    mean = x.mean((2, 3), keepdim=True)
    z = torch.fft.rfft2(x - mean)
    z[..., :1, :1] += mean * (x.shape[2] * x.shape[3])
    return z


class MatrixPhaseMix(nn.Module):
    """The same as an operator that `export.spectrum` translates into small matrix products."""

    passes = 50  # over features: five steps for each of three spectra, 30 for phases, five back

    def __init__(self, mix: PhaseMix) -> None:
        super().__init__()
        self.floor = mix.floor

    def forward(self, amplitude: Tensor, phase1: Tensor, phase2: Tensor) -> Tensor:
        return phase_mix(amplitude, phase1, phase2, self.floor)


@torch.library.custom_op("ship_deploy::phase_mix", mutates_args=())
def phase_mix(amplitude: Tensor, phase1: Tensor, phase2: Tensor, floor: float) -> Tensor:
    """As `PhaseMix`, (N, C, H, W)."""
    return PhaseMix(floor)(amplitude, phase1, phase2)


@phase_mix.register_fake
def _(amplitude: Tensor, phase1: Tensor, phase2: Tensor, floor: float) -> Tensor:
    return torch.empty_like(amplitude)


OPERATOR = torch.ops.ship_deploy.phase_mix.default
