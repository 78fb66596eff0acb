import pytest
import torch

from benchmarks.arithmetic import HalfArithmetic
from training.layers.spectrum import circular_convolution

STEP = 2.0**-11  # half a step of a half at 1


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


def halves(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.half)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (1, STEP, 1),  # a tie, to even
        (1 + 2 * STEP, STEP, 1 + 4 * STEP),  # a tie, to even, upward
        (1, 1.5 * STEP, 1 + 2 * STEP),
        (2048, 1, 2048),
        (65504, 15, 65504),
        (65504, 16, float("inf")),
        (-65504, -16, float("-inf")),
        (2**-24, 2**-24, 2**-23),  # subnormal
    ],
)
def test_sums_are_rounded_once(x, y, expected):
    with HalfArithmetic():
        result = halves(x) + halves(y)
    assert result.dtype == torch.half and result.item() == expected


def test_sums_inside_a_convolution_are_wide():
    x = halves(2048, 1, 1, 65504, 65504)[None, None]
    weight = halves(1, 1, 1, 1, -1)[None, None]
    with HalfArithmetic():
        result = torch.nn.functional.conv1d(x, weight, halves(0.5))
    assert result.item() == 2050  # 2050.5 rounds to even; step by step it would be 2048


def test_every_operation_of_a_chain_rounds():
    x, y = halves(1), halves(STEP)
    with HalfArithmetic():
        assert ((x + y) + y).item() == 1
        assert (x.float() + y.float() + y.float()).half().item() == 1 + 2 * STEP


def test_overflow_stays_and_spreads():
    with HalfArithmetic():
        square = halves(256) * halves(256)
        assert square.item() == float("inf")
        assert (square - square).isnan().item()


def test_any_fp32_operand_makes_fp32():
    with HalfArithmetic():
        result = halves(1) + torch.tensor([STEP])
    assert result.dtype == torch.float and result.item() == 1 + STEP


def test_casts_and_views_round_only_where_they_narrow():
    with HalfArithmetic():
        assert torch.tensor([70000.0]).half().item() == float("inf")
        assert halves(0.1).float().item() == halves(0.1).item()
        left, _ = halves(1, 2).tensor_split([1])
        assert left.item() == 1


def test_outside_of_it_nothing_changes():
    with HalfArithmetic():
        pass
    assert (torch.ones(1) + STEP).item() == 1 + STEP


def test_what_works_in_place_rounds_where_it_lies():
    x, y = halves(1), halves(1.5 * STEP)
    with HalfArithmetic():
        x += y
    assert x.item() == 1 + 2 * STEP and y.item() == 1.5 * STEP


def test_a_mean_holds_its_sum():
    frame = torch.ones(1, 1, 300, 300, dtype=torch.half)
    with HalfArithmetic():
        assert frame.mean((2, 3)).item() == float("inf")
        assert frame[..., :200].mean((2, 3)).item() == 1


def test_an_instance_norm_holds_squares():
    norm = torch.nn.InstanceNorm2d(1, affine=True).half()
    torch.manual_seed(0)
    x = torch.randn(1, 1, 8, 8)
    expected = torch.nn.functional.instance_norm(x)
    with HalfArithmetic():
        assert (norm(x.half()) - expected).abs().max() < 0.01
        assert not (norm(500 * x.half()) - expected).abs().max() < 0.01


def test_a_spectrum_is_held_in_fp16():
    torch.manual_seed(0)
    x, y = (0.01 * torch.randn(2, 1, 1, 16, 16)).half()
    expected = circular_convolution(x.float(), y.float())
    with HalfArithmetic():
        result = circular_convolution(x, y)
        bright = circular_convolution(torch.ones_like(x), torch.ones_like(y))
    error = (result - expected).abs().max() / expected.abs().max()
    assert 1e-5 < error < 2e-3
    assert not bright.isfinite().all()  # 256 squared at frequency zero
