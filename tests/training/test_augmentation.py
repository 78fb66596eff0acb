"""What augmentation does to a scene, what it leaves alone, and what only the network sees."""

import numpy as np
import pytest

from training.augmentation import augment
from training.config import Augmentation

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def thermal(settings: Augmentation, seed: int, frame: np.ndarray = GREY) -> tuple:
    """The infrared frame as shown and as seen; the visible one is as it was."""
    (visible, shown), (visible_seen, seen) = augment(
        frame, frame, settings, np.random.default_rng(seed)
    )
    assert np.array_equal(visible, frame) and np.array_equal(visible_seen, frame)
    return shown, seen


def weather(seed: int, frame: np.ndarray = GREY, **settings: float) -> np.ndarray:
    """The visible frame as shown; the network sees the same, and the infrared is as it was."""
    (shown, infrared), (seen, _) = augment(
        frame, frame, Augmentation(**settings), np.random.default_rng(seed)
    )
    assert np.array_equal(infrared, frame) and np.array_equal(shown, seen)
    return shown


def test_nothing_is_augmented_by_default():
    rendered, seen = thermal(Augmentation(), 0)
    assert np.array_equal(rendered, GREY) and np.array_equal(seen, GREY)


def test_gain_turns_about_mid_grey_within_its_range():
    slopes = []
    for seed in range(200):
        rendered, _ = thermal(Augmentation(gain=0.5), seed)
        levels = rendered.ravel().astype(float)
        assert abs(levels[127] - 127.5) <= 1 and abs(levels[128] - 127.5) <= 1
        slopes.append((levels[148] - levels[107]) / 41)
    assert 1 / 1.5 - 0.03 < min(slopes) < 0.7  # a grey level of rounding in 41
    assert 1.45 < max(slopes) < 1.5 + 0.03


def test_offset_shifts_every_level_alike_and_clips():
    shifts = set()
    for seed in range(200):
        rendered, _ = thermal(Augmentation(offset=10), seed)
        shift = int(rendered[8, 0]) - 128
        assert np.array_equal(rendered, np.clip(GREY.astype(int) + shift, 0, 255))
        shifts.add(shift)
    assert min(shifts) == -10 and max(shifts) == 10


def test_polarity_turns_warm_dark_as_often_as_asked():
    turned = 0
    for seed in range(1000):
        rendered, _ = thermal(Augmentation(polarity=0.2), seed)
        assert np.array_equal(rendered, GREY) or np.array_equal(rendered, 255 - GREY)
        turned += np.array_equal(rendered, 255 - GREY)
    assert turned / 1000 == pytest.approx(0.2, abs=0.05)  # four standard deviations


def test_noise_is_seen_by_the_network_and_not_by_the_losses():
    flat, sigmas = np.full((64, 64), 100, np.uint8), []
    for seed in range(100):
        rendered, seen = thermal(Augmentation(noise=8), seed, flat)
        assert np.array_equal(rendered, flat)
        assert abs(seen.mean() - 100) < 1.5  # its columns are off by 0.3 sigma each: 0.3 on average
        sigmas.append(seen.std())
    assert min(sigmas) < 0.5 and 7.5 < max(sigmas) < 9  # with the columns, 1.04 times the grain


def test_noise_of_the_visible_frame_is_seen_by_the_network_alone():
    flat, sigmas = np.full((64, 64), 100, np.uint8), []
    for seed in range(100):
        (shown, _), (seen, infrared) = augment(
            flat, flat, Augmentation(visible_noise=8), np.random.default_rng(seed)
        )
        assert np.array_equal(shown, flat) and np.array_equal(infrared, flat)
        sigmas.append(seen.std())
    assert min(sigmas) < 0.5 and 7.5 < max(sigmas) < 8.5


def test_a_closed_shutter_shows_nothing_as_often_as_asked():
    flat = [np.ptp(thermal(Augmentation(shutter=0.2), seed)[0]) == 0 for seed in range(1000)]
    assert np.mean(flat) == pytest.approx(0.2, abs=0.05)


def test_darkness_and_overexposure_keep_the_order_of_levels():
    for seed in range(100):
        dark = weather(seed, darkness=1).ravel().astype(int)
        assert (np.diff(dark) >= 0).all() and dark[255] <= 0.7 * 255 + 1 and dark[255] < 255
        bright = weather(seed, overexposure=1).ravel().astype(int)
        assert (np.diff(bright) >= 0).all() and (bright >= np.arange(256)).all()
        assert (bright == 255).mean() > 0.05


def test_fog_takes_contrast_and_never_turns_it():
    contrasts = []
    for seed in range(100):
        foggy = weather(seed, np.tile(np.array([0, 255], np.uint8), (16, 8)), fog=1).astype(int)
        steps = foggy[:, 1::2] - foggy[:, ::2]
        assert (steps >= 0).all()
        contrasts.append(steps.mean())
    assert min(contrasts) < 60 and max(contrasts) > 180


def test_lamps_only_add_light_and_drown_what_is_near():
    black = np.zeros((64, 64), np.uint8)
    brightest = []
    for seed in range(100):
        assert (weather(seed, glare=1) >= GREY).all()
        brightest.append(int(weather(seed, black, glare=1).max()))
    assert np.mean(np.array(brightest) == 255) > 0.5
