"""Circular convolution without a DFT: four small matrix products along each transform.

TensorRT-RTX does not know ONNX's `DFT`, ONNX Runtime is slow at it, and as dense matrices the
transforms cost as much as half the network. A length n = n1 * n2 splits (Cooley & Tukey, 1965) into
a transform of length n1, a twist, and one of length n2. Here the twist is folded into the second
one, which makes it a batch of n1 different matrices; and as the product of spectra does not care in
which order frequencies stand, nothing is ever put into order. n1 is the largest divisor up to
sqrt(n): a prime size degenerates to the dense transform, so one graph serves every size.

A complex number is a pair (re, im) beside the index that it belongs to; a complex matrix entry
exp(-2 pi i t) is a real 2x2 block: cos 2 pi (t + (row - column) / 4) is its entry (row, column).
The transpose is the inverse transform. Indices below: h = h1 * H2 + h2 and frequency
k = k1 + H1 * k2 along a column, w and j likewise along a row, c for (re, im). Columns are real, so
k1 <= H1 / 2 is enough: K1 values of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import onnx
import onnxscript

from training.layers import phase, spectrum

op: Any = onnxscript.opset20  # its annotations know tensors of one type only
LARGEST_FACTOR = 64  # candidates for n1: enough for 4096 rows or columns, beyond that n2 grows


def _ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def _range(length: Any) -> Any:  # length: (1,) int64 -> (length,)
    zero, one = op.Constant(value_int=0), op.Constant(value_int=1)
    return op.Range(zero, op.Squeeze(length), one)


def _factors(n: Any) -> tuple[Any, Any]:
    """Largest divisor of n up to sqrt(n), and n over it; all (1,) int64."""
    candidates = op.Constant(
        value=onnx.helper.make_tensor(
            "candidates", onnx.TensorProto.INT64, [LARGEST_FACTOR], range(1, LARGEST_FACTOR + 1)
        )
    )
    divides = op.Equal(op.Mod(n, candidates), _ints(0))
    small = op.LessOrEqual(op.Mul(candidates, candidates), n)
    first = op.ReduceMax(op.Where(op.And(divides, small), candidates, _ints(1)), keepdims=1)
    return first, op.Div(n, first)


def _axes(x: Any, *axes: int) -> Any:
    return op.Unsqueeze(x, _ints(*axes))


def _cosines(exponent: Any, period: Any, quarter_turns: Any, shape: Sequence[Any]) -> Any:
    """Cosine of 2 pi (exponent / period + quarter_turns), reduced in integers, as `shape`."""
    turns = op.Div(op.Cast(op.Mod(exponent, period), to=1), op.Cast(period, to=1))
    angle = op.Mul(op.Add(turns, quarter_turns), op.Constant(value_float=6.283185307179586))
    return op.Reshape(op.Cos(angle), op.Concat(*shape, axis=0))


def _exact_cosines(exponent: Any, period: Any, quarter_turns: Any, shape: Sequence[Any]) -> Any:
    """The same to the last bit: reduced in integers to an eighth of a turn either side of an axis.

    An angle of up to a turn is 2e-7 off in FP32, and alike in a whole column. Here zeros are zero
    and what should cancel does.
    """
    four = _ints(4)
    quarters = op.Cast(op.Mul(quarter_turns, op.Constant(value_float=4.0)), to=7)
    whole = op.Mul(period, four)
    turns = op.Mod(op.Add(op.Mul(op.Mod(exponent, period), four), op.Mul(quarters, period)), whole)
    axis = op.Div(op.Add(op.Mul(turns, _ints(2)), period), op.Mul(period, _ints(2)))  # nearest
    rest = op.Cast(op.Sub(turns, op.Mul(axis, period)), to=1)
    angle = op.Mul(op.Div(rest, op.Cast(period, to=1)), op.Constant(value_float=1.5707963267948966))
    axis = op.Mod(axis, four)
    odd = op.Equal(op.Mod(axis, _ints(2)), _ints(1))
    value = op.Where(odd, op.Sin(angle), op.Cos(angle))
    # cos(angle + axis * pi / 2): cos, -sin, -cos, sin
    flip = op.Or(op.Equal(axis, _ints(1)), op.Equal(axis, _ints(2)))
    return op.Reshape(op.Where(flip, op.Neg(value), value), op.Concat(*shape, axis=0))


class _Shapes(NamedTuple):
    """Between the products of matrices, for one count of frames and channels."""

    column1: Any
    column2: Any
    row1: Any
    row2: Any
    spectrum: Any


class _Transform:
    """Both ways for frames of one size. A spectrum is (N, C, j1, k, c, j2).

    Args:
        x: a tensor (N, C, H, W) of that size.
        cosines: how entries of the matrices are made.
    """

    def __init__(self, x: Any, cosines: Callable[..., Any] = _cosines) -> None:
        self._x = x
        two, rest = _ints(2), _ints(-1)
        self._two, self._rest = two, rest
        self.batch = op.Shape(x, start=0, end=2)
        height, width = op.Shape(x, start=2, end=3), op.Shape(x, start=3, end=4)
        self._height, self._width = height, width
        h1, h2 = _factors(height)
        w1, w2 = _factors(width)
        self._divided = h1, h2, w1, w2
        self._k1 = k1 = op.Add(op.Div(h1, two), _ints(1))
        self._rows = op.Mul(k1, h2)
        k1_range, h2_range = _range(k1), _range(h2)
        self._k1_range = k1_range
        w1_range, w2_range = _range(w1), _range(w2)
        quarter = op.Constant(
            value=onnx.helper.make_tensor("quarter", onnx.TensorProto.FLOAT, [2], [0.0, 0.25])
        )

        # (k1 c, h1), for real input
        self._column1 = cosines(
            op.Mul(_axes(k1_range, 1, 2), _range(h1)), h1, _axes(quarter, 1), [rest, h1]
        )
        # k1: (k2 c, c' h2)
        k = op.Add(_axes(k1_range, 1), op.Mul(h2_range, h1))
        block = op.Sub(_axes(quarter, 1, 2), _axes(quarter, 1))
        self._h2_complex = h2_complex = op.Mul(h2, two)
        self._column2 = cosines(
            op.Mul(_axes(k, 2, 3, 4), h2_range), height, block, [k1, h2_complex, h2_complex]
        )
        # (j1 c, c' w1)
        self._w1_complex = w1_complex = op.Mul(w1, two)
        self._row1 = cosines(
            op.Mul(_axes(w1_range, 1, 2, 3), w1_range), w1, block, [w1_complex, w1_complex]
        )
        # j1: (c' w2, c j2), as it is multiplied from the right
        j = op.Add(_axes(w1_range, 1), op.Mul(w2_range, w1))
        block = op.Sub(_axes(quarter, 1), _axes(quarter, 1, 2, 3))
        self._w2_complex = w2_complex = op.Mul(w2, two)
        self._row2 = cosines(
            op.Mul(_axes(j, 1, 2, 3), _axes(w2_range, 1, 2)),
            width,
            block,
            [w1, w2_complex, w2_complex],
        )

    def shapes(self, batch: Any) -> _Shapes:
        """For tensors whose first two sizes are `batch`, (2,) int64."""
        h1, h2, w1, w2 = self._divided
        return _Shapes(
            op.Concat(batch, h1, op.Mul(h2, self._width), axis=0),
            op.Concat(batch, self._k1, self._h2_complex, self._width, axis=0),
            op.Concat(batch, self._rows, self._w1_complex, w2, axis=0),
            op.Concat(batch, self._rows, w1, self._w2_complex, axis=0),
            op.Concat(batch, w1, self._rows, self._two, w2, axis=0),
        )

    def forward(self, real: Any, shapes: _Shapes) -> Any:
        """(N, C, H, W) to its spectrum."""
        z = op.MatMul(self._column1, op.Reshape(real, shapes.column1))
        z = op.MatMul(self._column2, op.Reshape(z, shapes.column2))
        z = op.MatMul(self._row1, op.Reshape(z, shapes.row1))
        z = op.Transpose(op.Reshape(z, shapes.row2), perm=[0, 1, 3, 2, 4])
        return op.Reshape(op.MatMul(z, self._row2), shapes.spectrum)

    def inverse(self, z: Any, shapes: _Shapes) -> Any:
        """A spectrum to what is shaped like x, back the same way.

        The frequencies left out are the conjugates of those with 0 < k1 < H1 / 2, which therefore
        count twice; the 1 / (H W) of the inverse stands here too.
        """
        h1, h2, w1, _ = self._divided
        two, rest, k1 = self._two, self._rest, self._k1
        alone = op.Equal(op.Mod(op.Mul(self._k1_range, two), h1), _ints(0))
        weight = op.Div(op.Cast(op.Where(alone, _ints(1), two), to=1), self.pixels())
        inverse1 = op.Mul(
            op.Reshape(self._column1, op.Concat(k1, two, h1, axis=0)), _axes(weight, 1, 2)
        )
        inverse1 = op.Reshape(inverse1, op.Concat(rest, h1, axis=0))
        inverse1 = op.Transpose(inverse1, perm=[1, 0])
        z = op.Reshape(z, op.Concat(self.batch, w1, self._rows, self._w2_complex, axis=0))
        z = op.MatMul(z, op.Transpose(self._row2, perm=[0, 2, 1]))
        z = op.Reshape(op.Transpose(z, perm=[0, 1, 3, 2, 4]), shapes.row1)
        z = op.Reshape(op.MatMul(op.Transpose(self._row1, perm=[1, 0]), z), shapes.column2)
        z = op.MatMul(op.Transpose(self._column2, perm=[0, 2, 1]), z)
        columns = op.Concat(self.batch, op.Mul(k1, two), op.Mul(h2, self._width), axis=0)
        return op.Reshape(op.MatMul(inverse1, op.Reshape(z, columns)), op.Shape(self._x))

    def pixels(self) -> Any:
        """H W, (1,) float32."""
        return op.Cast(op.Mul(self._height, self._width), to=1)


def circular_convolution_onnx(x: Any, y: Any) -> Any:
    """The same in ONNX operators; called by the exporter."""
    transform = _Transform(x)
    shapes = transform.shapes(transform.batch)
    x_re, x_im = op.Split(transform.forward(x, shapes), num_outputs=2, axis=4)
    y_re, y_im = op.Split(transform.forward(y, shapes), num_outputs=2, axis=4)
    z = op.Concat(
        op.Sub(op.Mul(x_re, y_re), op.Mul(x_im, y_im)),
        op.Add(op.Mul(x_re, y_im), op.Mul(x_im, y_re)),
        axis=4,
    )
    return transform.inverse(z, shapes)


def phase_mix_onnx(amplitude: Any, phase1: Any, phase2: Any, floor: float) -> Any:
    """The same in ONNX operators, all three in one transform; called by the exporter.

    Means go another way, so the spectrum's first entry is nothing, and the sign of a mean is its
    phase.
    """
    transform = _Transform(amplitude, _exact_cosines)
    x = op.Concat(amplitude, phase1, phase2, axis=1)
    # In two steps: ONNX Runtime's sum of a whole frame is 5e-5 off where many pixels are equal.
    mean = op.ReduceMean(op.ReduceMean(x, _ints(3)), _ints(2))
    z = transform.forward(op.Sub(x, mean), transform.shapes(op.Shape(x, start=0, end=2)))
    squares = op.ReduceSumSquare(z, _ints(4))
    # Of squares, (N, 3C, 1, 1).
    floors = op.Max(
        op.ReduceSumSquare(x, _ints(2, 3)),
        op.Mul(
            op.Squeeze(op.ReduceMax(squares, _ints(2, 3, 5)), _ints(4, 5)),
            op.Constant(value_float=phase.PEAK**2),
        ),
    )
    floors = op.Mul(floors, op.Constant(value_float=floor**2))
    one = op.Constant(
        value=onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [2, 1], [1.0, 0.0])
    )
    tiny = op.Constant(value_float=1e-30)  # never seen: it only keeps 0 / 0 away
    units = op.Where(
        op.Greater(squares, _axes(floors, 4, 5)), op.Div(z, op.Sqrt(op.Max(squares, tiny))), one
    )
    first, *_ = op.Split(op.Sqrt(squares), num_outputs=3, axis=1)
    _, *phases = op.Split(units, num_outputs=3, axis=1)
    mixed = op.Mul(first, op.Add(*phases))
    mixed = transform.inverse(mixed, transform.shapes(transform.batch))

    total = op.Mul(mean, transform.pixels())
    negative = op.And(
        op.Less(total, op.Constant(value_float=0.0)), op.Greater(op.Mul(total, total), floors)
    )
    sign = op.Where(negative, op.Constant(value_float=-1.0), op.Constant(value_float=1.0))
    first, *_ = op.Split(op.Abs(mean), num_outputs=3, axis=1)
    _, *signs = op.Split(sign, num_outputs=3, axis=1)
    return op.Abs(op.Add(mixed, op.Mul(first, op.Add(*signs))))


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    spectrum.OPERATOR: circular_convolution_onnx,
    phase.OPERATOR: phase_mix_onnx,
}
"""What the exporter writes for our operators."""
