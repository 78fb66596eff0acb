"""EN, MI, NMI against known extremes."""

import math

import pytest
import torch

from training.metrics import METRICS


def levels(count: int) -> torch.Tensor:
    """(64, 64), each of `count` levels as often as any other."""
    return (torch.arange(64 * 64) % count).reshape(64, 64).byte()


@pytest.mark.parametrize("count", [1, 2, 16, 256])
def test_entropy_is_the_logarithm_of_the_number_of_levels(count):
    image = levels(count)
    assert METRICS["EN"](image, image, image).item() == pytest.approx(math.log2(count))


def test_information_on_itself_is_its_entropy():
    image = levels(16)
    assert METRICS["MI"](image, image, image).item() == pytest.approx(2 * 4)
    nats = METRICS["MI"](image, image, image, convention="cddfuse").item()
    assert nats == pytest.approx(2 * math.log(16))
    assert METRICS["NMI"](image, image, image).item() == pytest.approx(2)


def test_any_one_to_one_map_of_levels_keeps_information():
    image = levels(16)
    assert METRICS["MI"](255 - 3 * image, image, image).item() == pytest.approx(8)


def test_independent_images_share_none():
    rows, columns = levels(64), levels(64).mT  # each level of one meets each of the other once
    assert METRICS["MI"](rows, columns, columns).item() == pytest.approx(0, abs=1e-9)
    assert METRICS["NMI"](rows, columns, columns).item() == pytest.approx(0, abs=1e-9)


def test_normalised_information_weighs_each_source_by_its_own_entropy():
    fused, coarse = levels(16), levels(16) // 4
    expected = 2 * 4 / (4 + 4) + 2 * 2 / (4 + 2)
    assert METRICS["NMI"](fused, fused, coarse).item() == pytest.approx(expected)


def test_a_constant_image_shares_none():
    flat = torch.full((64, 64), 7, dtype=torch.uint8)
    for name in ("EN", "MI", "NMI"):
        assert METRICS[name](flat, flat, flat).item() == 0
        assert METRICS["MI"](flat, levels(16), levels(16)).item() == pytest.approx(0, abs=1e-9)
