"""The term for flicker, with changes that are known."""

import pytest
import torch
from torch.nn import functional as F

from training.filters import blur
from training.steadiness import NOISE, SIGMA, successor, unsteadiness


@pytest.fixture
def change() -> tuple[torch.Tensor, torch.Tensor]:
    """Of the sources, and where they stand still."""
    torch.manual_seed(0)
    first = frames()
    second, still = successor(first)
    return second - first, still


def frames(number: int = 32) -> torch.Tensor:
    return torch.full((number, 2, 64, 96), 0.5)


def test_the_next_frame_shows_the_same_but_for_faint_noise_and_what_comes_in():
    torch.manual_seed(0)
    first = frames()
    second, still = successor(first)
    assert second.shape == first.shape and still.shape == (len(first), 1, 64, 96)
    change = (second - first).abs()
    assert (change * still).max() < 6 * NOISE
    came_in = (still == 0).flatten(1).any(1)
    assert 8 < came_in.sum() < 24  # in about half of them
    assert change[came_in].flatten(1).amax(1).median() > 0.1
    assert still.mean() > 0.8


def test_the_noise_differs_between_sources_and_frames():
    torch.manual_seed(0)
    second, still = successor(frames())
    levels = 255 * (blur(second - 0.5, SIGMA).abs() * still).mean((2, 3))  # (N, 2)
    assert levels.min() < 0.1 and 0.2 < levels.max() < 1  # what real clips have
    assert (levels[:, 0] - levels[:, 1]).abs().max() > 0.1


def test_a_picture_that_follows_either_source_is_steady(change):
    sources, still = change
    for fused in (sources[:, :1], sources[:, 1:], sources.mean(1, keepdim=True)):
        assert unsteadiness(fused, sources, still) < 1e-5


def test_more_contrast_means_more_flicker(change):
    sources, still = change
    twice, thrice = (unsteadiness(gain * sources[:, :1], sources, still) for gain in (2, 3))
    assert 0.2 < twice < thrice


def test_only_what_stands_still_counts(change):
    sources, still = change
    reach = 3 * SIGMA  # of the blur
    far = 1 - F.max_pool2d(still, 2 * reach + 1, 1, reach)  # from anything that stands still
    assert far.any()
    assert unsteadiness(sources[:, :1] + far, sources, still) < 1e-5
    assert unsteadiness(sources[:, :1] + 0.1, sources, still) > 10
