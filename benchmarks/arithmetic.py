"""FP16 arithmetic on the CPU, one rounding for each operation, so that fidelity can be measured.

CPU libraries flatter: ONNX Runtime runs a chain of FP16 operations in FP32 and drops the casts in
between. A GPU that keeps every intermediate result in memory rounds each one. This is that case.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from training.layers import phase, spectrum

aten = torch.ops.aten


class HalfArithmetic(TorchDispatchMode):
    """While active, an operation on half tensors is computed in FP32 and rounded once.

    Use it under `torch.inference_mode`, where composite operations arrive whole.

    What it models: products and sums inside one operation (convolution with its bias, matrix
    product, softmax) in FP32, as tensor cores accumulate with FP32 accumulators; then its result,
    to the nearest half, ties to even, from 65,520 on to infinity, up to 2**-25 to zero, subnormals
    kept. Every ATen operation is one: a leaky relu behind a convolution rounds again, which an
    engine that fuses them does not. So it is stricter than a fused engine, but kinder than a kernel
    that accumulates in FP16, of which it says nothing. Statistics and the spectral product are the
    exception, see `STEPS`. Operations that any FP32 tensor takes part in give FP32, as torch
    promotes; they and casts run as they are.
    """

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one ATen operation; called by torch."""
        kwargs = kwargs or {}
        values = tree_leaves((args, kwargs))
        halves = any(map(_is_half, values)) and not any(map(_is_float, values))
        if func.is_view or func in CASTS or not halves:
            return func(*args, **kwargs)
        if func in STEPS:
            with self:
                return STEPS[func](*args, **kwargs)
        wide_args, wide_kwargs = tree_map(lambda x: x.float() if _is_half(x) else x, (args, kwargs))
        result = func(*wide_args, **wide_kwargs)
        if func._schema.name.endswith("_"):  # in place: what changed is rounded where it lies
            for narrow, wide in zip(values, tree_leaves((wide_args, wide_kwargs)), strict=True):
                if _is_half(narrow):
                    narrow.copy_(wide)
            return args[0]
        return tree_map(lambda x: x.half() if _is_float(x) else x, result)


def _mean(x: Tensor, dim: Sequence[int], keepdim: bool = False) -> Tensor:
    total = x.sum(list(dim), keepdim)
    return total / (x.numel() // total.numel())


def _instance_norm(x: Tensor, weight: Tensor, bias: Tensor, *options: Any) -> Tensor:
    x = x - x.mean((2, 3), keepdim=True)
    scale = torch.rsqrt((x * x).mean((2, 3), keepdim=True) + options[-2])  # eps, cudnn
    return x * scale * weight[:, None, None] + bias[:, None, None]


def _circular_convolution(x: Tensor, y: Tensor) -> Tensor:
    (x_re, x_im), (y_re, y_im) = (
        torch.view_as_real(torch.fft.rfft2(z.float())).half().unbind(-1) for z in (x, y)
    )
    z = torch.stack([x_re * y_re - x_im * y_im, x_re * y_im + x_im * y_re], dim=-1)
    return torch.fft.irfft2(torch.view_as_complex(z.float()), s=x.shape[-2:]).half()


def _phase_mix(amplitude: Tensor, phase1: Tensor, phase2: Tensor, floor: float) -> Tensor:
    a, v, r = (
        torch.view_as_real(phase.spectrum(x.float())).half() for x in (amplitude, phase1, phase2)
    )
    size, size1, size2 = ((z * z).sum(-1, keepdim=True).sqrt() for z in (a, v, r))
    one = torch.tensor([1.0, 0.0], dtype=torch.half)
    z = size * sum(
        torch.where(n > floor * (x * x).sum((2, 3), keepdim=True)[..., None].sqrt(), z / n, one)
        for x, z, n in ((phase1, v, size1), (phase2, r, size2))
    )
    z = torch.view_as_complex(z.float())
    return torch.fft.irfft2(z, s=amplitude.shape[-2:]).half().abs()


CASTS = {aten._to_copy.default, aten.to.dtype}  # round as they are; `half` and `float` are `to`

STEPS: dict[OpOverload, Callable[..., Tensor]] = {
    aten.mean.dim: _mean,
    aten.instance_norm.default: _instance_norm,
    spectrum.OPERATOR: _circular_convolution,
    phase.OPERATOR: _phase_mix,
}
"""Operations whose sums do not stay inside, step by step: FP16 holds the sum of a frame, the sum of
squares, the spectrum and the product of two."""


def _is_half(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.half


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float
