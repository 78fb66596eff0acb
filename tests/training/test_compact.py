"""The compact network: any size, bands that add up to the frames, and where its weights begin."""

import pytest
import torch

from training.networks.compact import Compact, contrast, leading, statistics


@pytest.fixture(scope="module", params=[2, 4])
def network(request) -> Compact:
    torch.manual_seed(0)
    return Compact(channels=8, survey=(8, 8, 8), block=request.param).eval()


@pytest.mark.parametrize("size", [(16, 16), (17, 16), (16, 19), (33, 41), (64, 96)])
def test_any_size_from_16_up(network, size):
    visible, infrared = torch.rand(2, 2, 1, *size)
    fused, raw = network(visible, infrared)
    assert fused.shape == raw.shape == visible.shape
    assert raw.isfinite().all()
    assert torch.equal(fused, raw.clamp(0, 1))


def test_frames_of_a_batch_do_not_meet(network):
    visible, infrared = torch.rand(2, 3, 1, 20, 24)
    with torch.inference_mode():
        together = network(visible, infrared)[1]
        alone = network(visible[1:2], infrared[1:2])[1]
    assert torch.allclose(together[1:2], alone, atol=1e-6)


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
