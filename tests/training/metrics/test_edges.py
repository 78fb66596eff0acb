"""Qabf, N_abf against known extremes."""

import math

import pytest
import torch

from training.metrics import METRICS

# Equal strength and equal direction: what the two sigmoids leave.
BEST = 0.9994 / (1 + math.exp(-15 * 0.5)) * 0.9879 / (1 + math.exp(-22 * 0.2))


def noise(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (40, 50), generator=generator)


def score(name: str, *images: torch.Tensor, convention="paper") -> float:
    return METRICS[name](*(i.byte() for i in images), convention=convention).item()


def bar(level: int, width: int = 4) -> torch.Tensor:
    """A vertical bar on grey, away from the border."""
    image = torch.full((40, 50), 100)
    image[10:30, 20 : 20 + width] = level
    return image


def test_an_image_fused_with_itself_keeps_what_the_sigmoids_allow():
    image = noise()
    assert score("Qabf", image, image, image) == pytest.approx(BEST)
    assert score("N_abf", image, image, image) == 0


def test_that_evaluator_gives_equal_edges_slightly_more():
    """G is then the magnitude itself, far above 1, so the first sigmoid saturates."""
    best = 0.9994 * 0.9879 / (1 + math.exp(-22 * 0.2))
    image = noise()
    result = score("Qabf", image, image, image, convention="cddfuse")
    assert result == pytest.approx(best, abs=1e-6)
    assert result > BEST + 1e-4


def test_a_flat_fused_image_keeps_no_edge():
    image, flat = noise(), torch.full((40, 50), 100)
    assert score("Qabf", flat, image, image) < 0.001
    assert score("N_abf", flat, image, image) == 0


def test_no_edges_at_all_score_nothing():
    flat = torch.full((40, 50), 100)
    assert score("Qabf", flat, flat, flat) == 0
    assert score("N_abf", flat, flat, flat) == 0


def test_black_beyond_the_border_is_an_edge_in_that_evaluator_alone():
    flat = torch.full((40, 50), 100)
    assert score("Qabf", flat, flat, flat, convention="cddfuse") > 0.97


def test_a_turned_edge_is_lost_and_an_inverted_one_is_not():
    sources = [bar(180)] * 2
    assert score("Qabf", bar(180), *sources) == pytest.approx(BEST)
    assert score("Qabf", bar(20), *sources) == pytest.approx(BEST)  # same strength, same line
    across = torch.full((40, 50), 100)
    across[18:22, 10:40] = 180
    assert score("Qabf", across, *sources) < 0.1


def test_nearly_vertical_edges_of_either_sign_are_one_direction():
    """Slopes of 5 down and 1/4 to either side: 87 and -87 degrees, which are 6 apart."""
    x, y = torch.arange(50), torch.arange(40)[:, None]
    left, right = 5 * y + 20 + x // 4, 5 * y + 32 - x // 4
    folded = score("Qabf", left, right, right)
    assert folded > 0.8
    # Half of the columns have a slope in x, and lose all of their score; the black frame stays.
    assert score("Qabf", left, right, right, convention="cddfuse") < folded - 0.2


def test_half_the_strength_keeps_what_the_formula_says():
    """G = 1/2, A = 1 on every edge pixel."""
    expected = 0.9994 / 2 * 0.9879 / (1 + math.exp(-22 * 0.2))
    assert score("Qabf", bar(140), bar(180), bar(180)) == pytest.approx(expected)


def test_edges_that_no_source_has_are_artifacts():
    flat = torch.full((40, 50), 100)
    assert score("N_abf", noise(), flat, flat) == pytest.approx(1, abs=0.01)
    # Twice the strength of both sources: G = 1/2, A = 1, on all edge pixels; flat ones weigh 0.001.
    expected = 1 - math.sqrt(0.9999 / 2 * 0.9995 / (1 + math.exp(-22 * 0.5)))
    assert score("N_abf", bar(180), bar(140), bar(140)) == pytest.approx(expected, abs=1e-3)
    assert score("N_abf", bar(140), bar(180), bar(180)) == 0
