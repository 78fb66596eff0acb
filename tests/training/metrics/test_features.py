"""FMI against known extremes, and the definition in plain loops."""

import math

import numpy as np
import pytest
import torch

from training.metrics import METRICS


def image(seed: int, levels: int = 256, height: int = 7, width: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, levels, (height, width), generator=generator, dtype=torch.uint8)


def fmi(*images: torch.Tensor) -> float:
    return METRICS["FMI"](*images).item()


def test_an_image_fused_with_itself_shares_all():
    assert fmi(image(0), image(0), image(0)) == 1
    assert fmi(image(0), image(0), image(1)) == pytest.approx(
        0.5 + (fmi(image(0), image(1), image(1))) / 2
    )


def test_a_constant_image_shares_nothing_with_a_varied_one():
    flat = torch.full((7, 9), 9, dtype=torch.uint8)
    assert fmi(flat, image(0), image(1)) == pytest.approx(0, abs=1e-9)
    assert fmi(flat, flat, flat) == 1


def test_gain_and_offset_of_a_window_are_free():
    """Equal distributions: their joint one is the bound itself, but the windows are not equal."""
    ramp = (torch.arange(9) + 2 * torch.arange(7)[:, None]).byte()
    assert fmi(3 * ramp + 50, ramp, ramp) == pytest.approx(fmi(ramp, 3 * ramp + 50, ramp + 7))
    assert fmi(3 * ramp + 50, ramp, ramp) > 0.5


def window_score(first: np.ndarray, second: np.ndarray) -> float:
    """One window, by the book; MATLAB's order of pixels."""
    if (first == second).all():
        return 1.0

    def distribution(window: np.ndarray) -> np.ndarray:
        values = window.T.ravel().astype(float)
        spread = values.max() - values.min()
        values = (values - values.min()) / spread if spread else np.ones(9)
        return values / values.sum()

    p, q = distribution(first), distribution(second)
    c = 0.0
    if p.std() > 1e-12 and q.std() > 1e-12:
        c = float(np.corrcoef(p, q)[0, 1])

    def cumulative(i: int, j: int) -> float:
        """The Frechet bound of P(position <= i, other position <= j)."""
        a, b = p[: i + 1].sum(), q[: j + 1].sum()
        return min(a, b) if c >= 0 else max(a + b - 1, 0)

    covariance = 0.0
    for i in range(9):
        for j in range(9):
            covariance += cumulative(i, j) - p[: i + 1].sum() * q[: j + 1].sum()
    position = np.arange(1, 10)
    deviations = [math.sqrt(max((d * position**2).sum() - (d @ position) ** 2, 0)) for d in (p, q)]
    share = 0.0
    if c and min(deviations) > 0:
        share = c / (covariance / (deviations[0] * deviations[1]))

    joint = 0.0
    for i in range(9):
        for j in range(9):
            mass = cumulative(i, j) - cumulative(i - 1, j) - cumulative(i, j - 1)
            mass += cumulative(i - 1, j - 1)
            mass = share * mass + (1 - share) * p[i] * q[j]
            if abs(mass) > 1e-15:
                joint -= mass * math.log2(abs(mass))
    own = -sum(x * math.log2(x) for d in (p, q) for x in d if x > 0)
    return 2 * (own - joint) / own if own else 0.0


@pytest.mark.parametrize("levels", [256, 3])  # 3: windows that are equal, constant, or one-pointed
def test_it_is_the_papers_in_plain_loops(levels):
    images = [image(seed, levels) for seed in range(3)]
    fused, visible, infrared = (i.numpy() for i in images)
    scores = []
    for top in range(5):
        for left in range(7):
            inside = (slice(top, top + 3), slice(left, left + 3))
            scores += [
                window_score(source[inside], fused[inside]) for source in (visible, infrared)
            ]
    assert fmi(*images) == pytest.approx(np.mean(scores), abs=1e-9)
