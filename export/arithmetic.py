"""FP16 arithmetic on the CPU, one rounding for each operation, so that fidelity can be measured.

CPU libraries flatter: ONNX Runtime runs a chain of FP16 operations in FP32 and drops the casts in
between. A GPU that keeps every intermediate result in memory rounds each one. This is that case.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
CASTS = {aten._to_copy.default, aten.to.dtype}  # round as they are; `half` and `float` are `to`


class HalfArithmetic(TorchDispatchMode):
    """While active, an operation on half tensors is computed in FP32 and rounded once.

    What it models: products and sums inside one operation (convolution with its bias, matrix
    product, mean, softmax) in FP32, as tensor cores accumulate with FP32 accumulators; then its
    result, to the nearest half, ties to even, beyond 65,504 to infinity, below 2**-24 to zero,
    subnormals kept. Every ATen operation is one: a leaky relu behind a convolution rounds again,
    which an engine that fuses them does not. So it is stricter than a fused engine, but kinder than
    a kernel that accumulates in FP16, of which it says nothing. Operations that any FP32
    tensor takes part in give FP32, as torch promotes; they and casts run as they are.
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
        wide_args, wide_kwargs = tree_map(lambda x: x.float() if _is_half(x) else x, (args, kwargs))
        result = func(*wide_args, **wide_kwargs)
        return tree_map(lambda x: x.half() if _is_float(x) else x, result)


def _is_half(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.half


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float
