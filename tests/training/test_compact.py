"""The compact network: bands that add up to the frames, and where its weights begin."""

import pytest
import torch

from training.networks.compact import Compact, contrast, leading, statistics


@pytest.mark.parametrize("block", [2, 4])
def test_without_corrections_two_equal_frames_are_what_comes_out(block):
    """The weights of every band then sum to one, and the bands to the frame."""
    plain = Compact(channels=8, orders=1, survey=(8, 8, 8), block=block).eval()
    with torch.no_grad():
        for part in (plain.output, *plain.weigh):
            part.weight.zero_()
    frame = torch.rand(1, 1, 45, 70)
    assert torch.allclose(plain(frame, frame)[1], frame, atol=1e-5)


def test_weights_begin_at_the_band_with_more_contrast():
    strong, weak = torch.full((1, 1, 4, 4), 0.2), torch.full((1, 1, 4, 4), 0.002)
    for order, more in (((strong, weak), 0), ((weak, strong), 1)):
        weights = leading(contrast(torch.cat(order, dim=1) ** 2))
        assert torch.allclose(weights.sum(1), torch.ones(1, 4, 4))
        assert (weights[:, more] > 1.1).all()
    assert torch.allclose(leading(torch.cat([weak, weak], dim=1)), torch.tensor(0.5))


def test_statistics_tell_opposite_polarities_from_equal_ones():
    visible = torch.rand(1, 1, 8, 8)
    for infrared, alike in ((visible, 1), (1 - visible, -1)):
        products = [visible, infrared, visible**2, infrared**2, visible * infrared]
        means = torch.cat(products, dim=1).mean((2, 3), keepdim=True)
        found = statistics(means)[0, :, 0, 0]
        assert found[4].item() == pytest.approx(alike, abs=1e-3)
        assert found[5].item() == pytest.approx(0, abs=1e-3)
