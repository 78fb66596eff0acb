"""SD, SF, AG against values worked out by hand."""

import pytest
import torch

from training.metrics import METRICS


def score(name: str, image: torch.Tensor) -> float:
    return METRICS[name](image.byte(), image.byte(), image.byte()).item()


@pytest.mark.parametrize("name", ["SD", "SF", "AG"])
def test_a_constant_image_has_none(name):
    assert score(name, torch.full((9, 7), 33)) == 0


def test_deviation_is_largest_for_black_and_white():
    halves = torch.zeros(8, 8)
    halves[:, 4:] = 255
    assert score("SD", halves) == 127.5


def test_frequency_is_the_step_of_a_ramp():
    ramp = 3 * torch.arange(20).expand(10, 20)
    assert score("SF", ramp) == pytest.approx(3)
    assert score("SF", ramp.mT) == pytest.approx(3)
    both = ramp + 4 * torch.arange(10)[:, None]
    assert score("SF", both) == pytest.approx(5)


def test_gradient_of_a_ramp_is_its_slope_over_root_two_at_the_border_too():
    ramp = 3 * torch.arange(20).expand(10, 20) + 4 * torch.arange(10)[:, None]
    assert score("AG", ramp) == pytest.approx(5 / 2**0.5)


def test_gradient_takes_central_differences():
    checks = 200 * ((torch.arange(8) + torch.arange(8)[:, None]) % 2)
    # Steps of 200 cancel inside; only the one-sided differences at the border see them.
    corners, sides = 4 * 200, 4 * 6 * (200**2 / 2) ** 0.5
    assert score("AG", checks) == pytest.approx((corners + sides) / 64)
