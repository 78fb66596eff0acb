import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from export.spectrum import TRANSLATIONS
from training.layers.spectrum import circular_convolution


class Convolution(nn.Module):
    def forward(self, x, y):
        return circular_convolution(x, y)


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    free = dict.fromkeys(range(4), torch.export.Dim.DYNAMIC)
    program = torch.onnx.export(
        Convolution().eval(),
        (torch.rand(2, 3, 24, 36), torch.rand(2, 3, 24, 36)),
        dynamo=True,
        verbose=False,
        dynamic_shapes=(free, free),
        custom_translation_table=TRANSLATIONS,
    )
    assert "DFT" not in {node.op_type for node in program.model_proto.graph.node}
    onnx.checker.check_model(program.model_proto)
    return ort.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize(
    "size",
    [
        (16, 16),  # squares
        (48, 64),  # factor well
        (17, 31),  # primes: one factor is 1, the transform dense
        (47, 60),  # a prime and a composite
        (30, 21),  # odd halves: 30 = 5 * 6, 21 = 3 * 7
        (2, 127),
        (67 * 67, 2),  # the divisor sqrt(n) is beyond the candidates
    ],
)
def test_matches_the_fourier_transform_at_any_size(session, size):
    random = np.random.default_rng(1)
    x, y = (random.normal(0.3, 1, (2, 3, *size)).astype(np.float32) for _ in range(2))
    inputs = dict(zip((i.name for i in session.get_inputs()), (x, y), strict=True))

    (result,) = session.run(None, inputs)

    expected = np.fft.irfft2(np.fft.rfft2(x.astype(float)) * np.fft.rfft2(y.astype(float)), size)
    assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()


def test_is_a_circular_convolution():
    """Against the definition, without any transform: a shifted impulse shifts, around the edges."""
    x = torch.rand(1, 1, 5, 7)
    impulse = torch.zeros(1, 1, 5, 7)
    impulse[0, 0, 2, 6] = 3

    result = circular_convolution(x, impulse)

    torch.testing.assert_close(result, 3 * x.roll((2, 6), (2, 3)))
