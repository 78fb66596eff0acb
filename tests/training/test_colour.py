import pytest
import torch
from torch import Tensor, nn

from training.colour import fuse_frames, join, split
from training.scenes import render


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


class Sum(nn.Module):
    """A share of the sum: it overshoots where both frames are bright."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.613, dtype=dtype))

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.share * (visible + infrared)
        return raw.clamp(0, 1), raw


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_frames_are_fused_as_by_split_and_join(dtype):
    """Colours in steps of 5, with all levels of the infrared in turn, and a rendered frame.

    In FP64 to the byte, here, where nothing lies halfway between two levels to its rounding; in
    FP32 but for what does.
    """
    steps = torch.arange(0, 256, 5, dtype=torch.uint8)
    colours = torch.cartesian_prod(steps, steps, steps).view(1, 52 * 52, 52, 3)
    levels = (torch.arange(52 * 52 * 52) * 97 % 256).to(torch.uint8).view(1, 52 * 52, 52)
    rendered = [torch.from_numpy(side)[None] for side in render(0, 240, 320)]
    for visible, infrared in ((colours, levels), rendered):
        luminance, crcb = split(visible.permute(0, 3, 1, 2).double() / 255)
        raw = Sum(torch.double)(luminance, infrared[:, None].double() / 255)[1]
        expected = 255 * join(raw, crcb).permute(0, 2, 3, 1)

        frames, found = fuse_frames(Sum(dtype), visible, infrared)

        off = frames != expected.round().to(torch.uint8)
        assert not off.any() or dtype is torch.float32
        assert ((frames - expected)[off].abs() - 0.5 < 1e-4).all()
        assert off.float().mean() < 1e-4
        torch.testing.assert_close(found.double(), raw, rtol=0, atol=1e-6)


class Halfway(nn.Module):
    """Halfway between two levels everywhere, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.Parameter((torch.arange(255) + 0.5) / 255)

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.levels.expand_as(visible)
        return raw, raw


@torch.inference_mode()
def test_grey_stays_grey_to_the_bit():
    """Any rounding of the colour would show: all greys, beside all values between two levels."""
    grey = torch.arange(256, dtype=torch.uint8)[None, :, None].expand(1, 256, 255)
    frames, _ = fuse_frames(Halfway(), grey[..., None].repeat(1, 1, 1, 3), grey)
    assert (frames == frames[..., :1]).all()
