import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.streams import Steady

SIZE = 96, 128
SCENE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8), (0, 0), 4
).astype(np.uint8)
WARM = np.ascontiguousarray(SCENE[::-1, :, 0])


def noisy(picture, seed, sigma):
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return (picture + noise).round().clip(0, 255).astype(np.uint8)


def restless(level=10.0):
    """A fusion of nothing but the visible frame, each time with other noise."""
    seed = iter(range(1000))
    return lambda visible, infrared: noisy(visible, next(seed), level)


def test_where_nothing_moves_noise_is_smoothed():
    steady, plain = Steady(restless()), restless()
    frames = [(noisy(SCENE, 100 + n, 2), noisy(WARM, 200 + n, 2)) for n in range(20)]
    held, raw = ([fuse(*pair).astype(float) for pair in frames] for fuse in (steady, plain))
    deviations = [np.std(video[-1] - SCENE) for video in (held, raw)]
    # Of a quarter of each and three quarters of the one before, to the end: sqrt(0.25 / 1.75).
    assert deviations[0] == pytest.approx(0.38 * deviations[1], rel=0.1)
    changes = [np.std(video[-1] - video[-2]) for video in (held, raw)]
    assert changes[0] < 0.3 * changes[1]


@pytest.mark.parametrize("side", ["visible", "infrared"])
def test_what_moves_in_either_frame_is_the_newest_picture(side):
    def fuse(visible, infrared):
        return np.maximum(visible, infrared[..., None])

    steady = Steady(fuse)
    for left in range(0, 80, 8):
        visible, infrared = np.full((*SIZE, 3), 60, np.uint8), np.full(SIZE, 40, np.uint8)
        (visible if side == "visible" else infrared)[30:60, left : left + 24] = 200
        found = steady(visible, infrared)
        assert np.array_equal(found, fuse(visible, infrared))  # no trail where it was


def test_a_small_faint_thing_is_shown_at_once():
    steady = Steady(lambda visible, infrared: infrared)
    for left in range(0, 120, 6):  # a person far away, 3 pixels wide
        infrared = np.full(SIZE, 60, np.uint8)
        infrared[40:48, left : left + 3] += 8
        found = steady(np.full(SIZE, 50, np.uint8), infrared).astype(int)
        assert found[44, left + 1] >= 66
        assert found.sum() == pytest.approx(infrared.sum(), rel=0.001)  # and little is left behind


def test_a_slow_change_arrives_to_the_level():
    steady = Steady(lambda visible, infrared: visible)
    for level in [100] * 3 + list(range(100, 140)) + [140] * 30:
        found = steady(np.full(SIZE, level, np.uint8), np.full(SIZE, 50, np.uint8))
        assert abs(int(found[0, 0]) - level) <= 3
    assert (found == 140).all()


def test_the_first_picture_and_one_of_another_size_are_as_fused():
    steady, plain = Steady(restless()), restless()
    for size in (slice(96), slice(48)):
        pair = np.ascontiguousarray(SCENE[size]), np.ascontiguousarray(WARM[size])
        assert np.array_equal(steady(*pair), plain(*pair))


def test_what_it_gave_and_was_given_does_not_change():
    steady = Steady(lambda visible, infrared: visible)
    visible, infrared = SCENE.copy(), WARM.copy()
    first = steady(visible, infrared)
    first[:] = 0
    second = steady(visible, infrared)
    assert np.array_equal(second, SCENE) and np.array_equal(visible, SCENE)


def test_a_pair_that_is_refused_counts_for_nothing():
    def fuse(visible, infrared):
        if visible.max() == 0:
            raise UserError("black")
        return visible

    steady, other = Steady(fuse), Steady(fuse)
    for each in (steady, other):
        each(SCENE, WARM)
    with pytest.raises(UserError, match="black"):
        steady(np.zeros_like(SCENE), WARM)
    brighter = np.minimum(SCENE, 250) + np.uint8(2)
    found = steady(brighter, WARM)
    assert np.array_equal(found, other(brighter, WARM)) and not np.array_equal(found, brighter)
