import pytest
import torch

from training.colour import join, split


def test_luminance_of_the_primaries():
    bgr = torch.eye(3).view(3, 3, 1, 1)
    luminance, crcb = split(bgr)
    assert luminance.flatten().tolist() == pytest.approx([0.114, 0.587, 0.299])
    assert crcb[:, 0].flatten().tolist() == pytest.approx([-0.0813, -0.4185, 0.4998], abs=1e-4)


def test_there_and_back():
    bgr = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(join(*split(bgr)), bgr, rtol=0, atol=2e-3)  # their rounded constants


def test_grey_has_no_colour():
    grey = torch.rand(1, 1, 4, 5).expand(1, 3, 4, 5)
    luminance, crcb = split(grey)
    torch.testing.assert_close(luminance, grey[:, :1])
    assert crcb.abs().max() < 1e-6


def test_clamped_twice():
    assert join(torch.tensor([[[[1.5]]]]), torch.zeros(1, 2, 1, 1)).flatten().tolist() == [1, 1, 1]
    red = join(torch.tensor([[[[0.9]]]]), torch.tensor([[[[0.4]], [[0.0]]]]))
    assert red[0, 2] == 1
    assert (red >= 0).all()
