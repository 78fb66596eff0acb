"""CC, SCD against known extremes."""

import pytest
import torch

from training.metrics import METRICS


def waves() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images without correlation, 64 to 190."""
    along_x = (torch.arange(16) % 2).expand(16, 16) * 60 + 64
    return along_x, along_x.mT


def score(name: str, *images: torch.Tensor) -> float:
    return METRICS[name](*(image.byte() for image in images)).item()


def test_correlation_with_itself_is_one_and_with_its_negative_minus_one():
    image, _ = waves()
    assert score("CC", image, image, image) == pytest.approx(1)
    assert score("CC", 255 - image, image, image) == pytest.approx(-1)
    assert score("CC", 2 * image - 40, image, image) == pytest.approx(1)  # gain and offset free


def test_correlation_is_the_mean_over_sources():
    visible, infrared = waves()
    assert score("CC", visible, visible, infrared) == pytest.approx(0.5)


def test_differences_are_the_sources_when_the_fused_image_is_their_sum():
    visible, infrared = waves()
    assert score("SCD", visible + infrared, visible, infrared) == pytest.approx(2)
    assert score("SCD", 255 - visible - infrared + 60, visible, infrared) < -0.5


def test_one_source_alone_has_half_the_differences():
    """F - V is 0, which correlates with nothing; F - I holds V, and I turned around."""
    visible, infrared = waves()
    assert score("SCD", visible, visible, infrared) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("name", ["CC", "SCD"])
def test_a_constant_shares_nothing(name):
    visible, infrared = waves()
    flat = torch.full_like(visible, 100)
    assert score("CC", flat, visible, infrared) == 0
    assert score(name, flat, flat, flat) == 0
