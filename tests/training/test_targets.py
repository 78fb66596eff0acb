"""The term for known targets, against values worked out by hand."""

import pytest
import torch

from training import targets

NUMBERS = torch.zeros(1, 1, 48, 64, dtype=torch.uint8)
NUMBERS[..., 10:20, 20:26] = 1
NUMBERS[..., 30:36, 40:60] = 2


def frame(ground: float, *levels: float) -> torch.Tensor:
    """(1, 1, 48, 64), each target at its level."""
    image = torch.full(NUMBERS.shape, ground)
    for number, level in enumerate(levels, 1):
        image[number == NUMBERS] = level
    return image


VISIBLE, INFRARED = frame(0.5, 0.5, 0.1), frame(0.3, 0.8, 0.3)  # one target in each


def missing(fused: torch.Tensor, numbers: torch.Tensor = NUMBERS) -> float:
    return targets.missing(fused, VISIBLE, INFRARED, numbers).item()


def test_nothing_is_missing_where_both_targets_stand_out_in_either_polarity():
    for first in (0.0, 1.0):
        for second in (0.1, 0.9):
            assert missing(frame(0.5, first, second)) == 0


def test_what_is_missing_is_the_mean_square_of_shares():
    assert missing(VISIBLE) == pytest.approx(targets.WANTED**2 / 2)
    assert missing(frame(0.5, 0.5, 0.5)) == pytest.approx(targets.WANTED**2)
    half = (targets.WANTED - 0.5) ** 2
    assert missing(frame(0.5, 0.75, 0.7)) == pytest.approx(half, abs=1e-5)


def test_targets_that_are_too_small_or_too_faint_do_not_count():
    small = torch.zeros_like(NUMBERS)
    small[..., 5:8, 5:8] = 1
    shown = torch.where(small == 1, 0.9, 0.5)
    assert targets.missing(frame(0.5), shown, frame(0.2), small) == 0
    small[..., 5:9, 5:9] = 1  # is large enough
    shown = torch.where(small == 1, 0.9, 0.5)
    assert targets.missing(frame(0.5), shown, frame(0.2), small) > 0.9
    faint = torch.where(NUMBERS == 1, NUMBERS, 0)
    shown = frame(0.5, 0.5 + targets.FAINTEST / 2)
    assert targets.missing(frame(0.5), shown, frame(0.2), faint) == 0
    assert missing(frame(0.5), torch.zeros_like(NUMBERS)) == 0


def test_a_target_that_fills_the_crop_has_no_ring_and_does_not_count():
    assert missing(frame(0.5), torch.ones_like(NUMBERS)) == 0


def test_rings_lie_around_boxes_and_end_at_the_border():
    masks = torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None] == NUMBERS
    masks[0, 2, 0:4, 0:3] = True
    rings = targets.around(masks)[0]
    first = torch.zeros(48, 64, dtype=torch.bool)
    first[7:23, 17:29] = True  # half of 6 pixels wide
    first[10:20, 20:26] = False
    assert torch.equal(rings[0], first)
    corner = torch.zeros(48, 64, dtype=torch.bool)
    corner[:6, :5] = True
    corner[:4, :3] = False
    assert torch.equal(rings[2], corner)
    assert not targets.around(torch.zeros(1, 2, 8, 8, dtype=torch.bool)).any()


def test_the_gradient_lifts_a_target_from_its_ground():
    fused = frame(0.5, 0.55, 0.45).requires_grad_()
    targets.missing(fused, VISIBLE, INFRARED, NUMBERS).backward()
    assert (fused.grad[NUMBERS == 1] < 0).all()
    assert (fused.grad[NUMBERS == 2] > 0).all()
    assert (fused.grad[..., :6, :10] == 0).all()
