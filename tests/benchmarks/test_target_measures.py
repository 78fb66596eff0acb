"""The measures on pictures whose scores are known."""

import math

import cv2
import numpy as np
import pytest

from benchmarks.targets.measures import (
    COARSE,
    FINE,
    colour_kept,
    detail_kept,
    find_target,
    invented,
    target_kept,
)
from ship_deploy.frames import Frames

SHAPE = 96, 128
BOX = 50, 30, 12, 30
PERSON = np.zeros(SHAPE, np.bool_)
PERSON[32:58, 52:60] = True
FLAT = np.full(SHAPE, 100, np.uint8)


def painted(person: int, ground: int = 100) -> Frames:
    return np.where(PERSON, person, ground).astype(np.uint8)


@pytest.mark.parametrize(
    ("fused", "expected"),
    [
        (painted(140), 1),
        (painted(60), 1),  # the other polarity is as good
        (painted(120), 0.5),
        (painted(200), 1),  # more is not better
        (painted(140, 140), 0),
    ],
)
def test_a_target_that_one_source_shows(fused, expected):
    assert target_kept(fused, painted(140), FLAT, BOX) == pytest.approx(expected)
    assert target_kept(fused, FLAT, painted(140), BOX) == pytest.approx(expected)
    assert target_kept(fused, FLAT, painted(140), BOX, PERSON) == pytest.approx(expected)


def test_opposite_polarities_cancel_in_the_average():
    """A dark coat on snow, warm: the average has (-60 + 80) / 2 of the infrared's 80 levels."""
    visible, infrared = painted(140, 200), painted(180, 100)
    average = ((visible.astype(int) + infrared) // 2).astype(np.uint8)
    assert target_kept(average, visible, infrared, BOX) == pytest.approx(10 / 80)
    assert target_kept(visible, visible, infrared, BOX) == pytest.approx(60 / 80)
    assert find_target(visible, infrared, BOX).source == "infrared"


def test_bright_and_dark_parts_of_a_target_do_not_cancel():
    person = painted(40)
    person[32:36, 52:60] = 150  # the face
    assert find_target(person, FLAT, BOX).levels == 60
    assert target_kept(person, person, FLAT, BOX) == 1


def test_single_pixels_do_not_make_a_target():
    person = painted(140)
    person[40, 55] = 255
    assert find_target(person, FLAT, BOX).mask.sum() == PERSON.sum()


def test_a_few_strong_pixels_do_not_outdo_a_whole_target():
    """A lamp and leaves in the visible frame, a person in the infrared one."""
    leaves = np.random.default_rng(0).integers(60, 140, SHAPE).astype(np.uint8)
    leaves[34:38, 54:59] = 180
    found = find_target(leaves, painted(140), BOX)
    assert found.source == "infrared"
    assert found.levels == 40
    assert find_target(leaves, painted(140), BOX, only="visible").levels > 40


def test_the_ring_ends_with_the_picture():
    corner = np.zeros(SHAPE, np.bool_)
    corner[:20, :10] = True
    source = np.where(corner, 160, 100).astype(np.uint8)
    assert target_kept(source, source, FLAT, (0, 0, 11, 21)) == 1
    with pytest.raises(ValueError, match="leaves no ring"):
        target_kept(source, source, FLAT, (0, 0, SHAPE[1], SHAPE[0]))


def test_nothing_to_keep_is_no_score():
    assert math.isnan(target_kept(FLAT, FLAT, FLAT, BOX))
    assert math.isnan(detail_kept(FLAT, FLAT, FLAT, BOX))
    grey = np.repeat(FLAT[..., None], 3, axis=2)
    assert math.isnan(colour_kept(grey, FLAT))
    assert math.isnan(colour_kept(grey, grey))


def stripes(amplitude: float) -> Frames:
    return np.tile(100 + amplitude * (-1) ** np.arange(SHAPE[1]), (SHAPE[0], 1)).astype(np.uint8)


@pytest.mark.parametrize(
    ("fused", "expected"),
    [(stripes(40), 1), (stripes(20), 0.5), (stripes(80), 1), (stripes(-40), 0), (FLAT, 0)],
)
def test_detail_is_the_projection_on_the_visible_frame(fused, expected):
    assert detail_kept(fused, stripes(40), FLAT, BOX) == pytest.approx(expected, abs=1e-3)


def test_detail_is_judged_in_its_box_and_whatever_the_brightness():
    fused = stripes(40) + np.uint8(60)
    fused[:, :20] = 0
    assert detail_kept(fused, stripes(40), FLAT, BOX) == pytest.approx(1, abs=1e-3)


def ramp(step: float) -> Frames:
    return np.tile(np.arange(SHAPE[1]) * step, (SHAPE[0], 1)).round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [FINE, COARSE])
def test_invented_is_the_share_of_gradients_that_no_source_has(sigma):
    assert invented(ramp(1), ramp(1), FLAT, sigma) == 0
    assert invented(ramp(1), FLAT, ramp(1), sigma) == 0
    assert invented(ramp(1), FLAT, FLAT, sigma) == 1
    # The blur bends the ramp at the borders, where the neighbour within one pixel is steeper.
    assert invented(ramp(2), ramp(1), FLAT, sigma) == pytest.approx(0.5, abs=0.01)
    mirrored = np.ascontiguousarray(ramp(1)[:, ::-1])  # the direction is free
    assert invented(mirrored, ramp(1), FLAT, sigma) == pytest.approx(0, abs=1e-5)
    assert invented(FLAT, ramp(1), FLAT, sigma) == 0


def test_invented_at_its_scales():
    """Noise is fine; a sky that darkens is coarse; edges of either source are neither."""
    random = np.random.default_rng(0)
    noisy = np.clip(FLAT + random.normal(0, 6, SHAPE), 0, 255).astype(np.uint8)
    louder = np.clip(100 + 2.0 * (noisy - 100.0), 0, 255).astype(np.uint8)
    assert invented(louder, noisy, FLAT, FINE) > 0.1
    shaded = np.clip(noisy - 0.5 * np.arange(SHAPE[0])[:, None], 0, 255).astype(np.uint8)
    assert invented(shaded, noisy, FLAT, COARSE) > 0.5
    assert invented(shaded, noisy, FLAT, FINE) < 0.1
    other = painted(200, 20)
    both = np.maximum(painted(40), other)
    assert invented(both, painted(40), other, FINE) < 0.01


def test_colour_is_hue_and_chroma():
    hsv = np.zeros((*SHAPE, 3), np.float32)
    hsv[..., 0], hsv[..., 1], hsv[..., 2] = 30, 0.6, 0.7
    pictures = {}
    for name, change in {"same": (0, 1), "paler": (0, 0.5), "turned": (180, 1)}.items():
        changed = hsv + np.float32([change[0], 0, 0])
        changed[..., 1] *= change[1]
        bgr = cv2.cvtColor(changed, cv2.COLOR_HSV2BGR)
        pictures[name] = (bgr * 255).round().astype(np.uint8)
    visible = pictures["same"]
    assert colour_kept(visible, visible) == pytest.approx(1)
    assert 0.3 < colour_kept(pictures["paler"], visible) < 0.6
    assert colour_kept(pictures["turned"], visible) == 0
    assert colour_kept(visible[..., 0], visible) == 0
    lab = cv2.cvtColor(np.float32(visible) / 255, cv2.COLOR_BGR2Lab)
    lab[..., 1:] /= 2
    half = (cv2.cvtColor(lab, cv2.COLOR_Lab2BGR) * 255).round().astype(np.uint8)
    assert colour_kept(half, visible) == pytest.approx(0.5, abs=0.02)
