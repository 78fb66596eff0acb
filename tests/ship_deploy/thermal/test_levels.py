"""A thermal camera of 14 bits on a still scene: noise, a hot thing that comes in, the shutter."""

import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.frames import stretch
from ship_deploy.thermal import DeadPixels, Thermal

RATE = 25  # frames per second
FLICKER = 6.0  # grey levels that the background's mean may jump from one frame to the next
STILL = 0.2  # the same while nothing happens
LIMITS = (0.5, 99.5)


def watch(count, *, hot_from=None, size=(120, 160)):
    """Frames of a slope with noise of 8 counts; something hot covers 2% of it from a frame on."""
    rng = np.random.default_rng(0)
    slope = 7000 + np.indices(size).sum(axis=0) * 2.0
    for number in range(count):
        frame = slope + rng.normal(0, 8, size)
        if hot_from is not None and number >= hot_from:
            frame[40:60, 70:90] += 3000
        yield np.rint(frame).astype(np.uint16)


def jumps(images):
    """Changes of the background's mean level from frame to frame."""
    return np.abs(np.diff([image[70:].mean() for image in images]))


def test_the_background_does_not_flicker_when_something_hot_comes_in():
    frames = list(watch(300, hot_from=25))
    thermal = Thermal()
    smooth = [thermal(frame, number / RATE) for number, frame in enumerate(frames)]
    naive = [stretch(frame, LIMITS) for frame in frames]
    assert jumps(naive).max() > 100 and jumps(naive[:25]).max() > 2 * STILL
    assert jumps(smooth).max() < FLICKER and jumps(smooth[:25]).max() < STILL
    assert abs(smooth[-1][70:].mean() - naive[-1][70:].mean()) < 5  # but it gets there


def test_time_not_frames_count():
    """Half as many frames a second, or one that is missing: the same levels at the same time."""
    frames = list(watch(50, hot_from=10))
    full, half = Thermal(), Thermal()
    for number, frame in enumerate(frames):
        last = full(frame, number / RATE)
    for number in range(1, len(frames), 2):
        sparse = half(frames[number], number / RATE)
    assert abs(last.mean() - sparse.mean()) < 1


def test_without_smoothing_it_is_the_stretch_of_each_frame():
    thermal = Thermal(smoothing=0)
    for number, frame in enumerate(watch(4, hot_from=2)):
        assert np.array_equal(thermal(frame, number / RATE), stretch(frame, LIMITS))


def test_a_new_scene_starts_anew():
    frame = next(watch(1))
    thermal = Thermal()
    thermal(frame, 0.0)
    other = frame + 2000
    assert np.array_equal(thermal(other, 1 / RATE), stretch(other, LIMITS))


def test_8_bits_pass_as_they_are_and_colour_becomes_grey():
    grey = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    thermal = Thermal()
    assert np.array_equal(thermal(grey, 0.0), grey)
    assert np.array_equal(thermal(np.repeat(grey[..., None], 3, axis=2), 0.1), grey)
    assert np.array_equal(Thermal(black_hot=True)(grey, 0.0), 255 - grey)


def test_black_hot_counts_come_out_white_hot():
    frame = next(watch(1, hot_from=0))
    assert np.array_equal(Thermal(black_hot=True)(65535 - frame, 0.0), Thermal()(frame, 0.0))


def test_clahe_raises_local_contrast():
    frame = next(watch(1, hot_from=0))
    plain, local = Thermal()(frame, 0.0), Thermal(clahe=10.0)(frame, 0.0)
    assert local.dtype == np.uint8 and local.shape == plain.shape
    assert local[70:].std() > 1.3 * plain[70:].std()


def test_the_frame_that_came_is_not_written_to():
    frame = next(watch(1))
    kept = frame.copy()
    mask = np.zeros(frame.shape, bool)
    mask[3, 4] = True
    Thermal(black_hot=True, clahe=2.0, dead=DeadPixels(mask))(frame, 0.0)
    assert np.array_equal(frame, kept)


def test_a_closed_shutter_is_noticed_and_left_behind():
    frames = list(watch(10))
    thermal = Thermal(freeze=0.3)
    seen = []
    for number in range(40):  # stands still from frame 9 to 30, then the counts have shifted
        frame = frames[min(number, 9)] if number < 30 else frames[number % 10] + 40
        image = thermal(frame, number / RATE)
        seen.append(thermal.frozen)
        if number == 30:
            assert np.array_equal(image, stretch(frame, LIMITS))
    frozen = np.flatnonzero(seen)
    assert frozen[0] == 9 + np.ceil(0.3 * RATE) and frozen[-1] == 29
    assert len(frozen) == frozen[-1] - frozen[0] + 1


def test_a_slow_camera_that_repeats_its_frames_is_not_frozen():
    thermal = Thermal()
    frames = list(watch(10))
    for number in range(30):  # 9 Hz, sent at 27
        thermal(frames[number // 3], number / 27)
        assert not thermal.frozen


def test_a_still_video_of_8_bits_is_not_frozen():
    thermal = Thermal()
    for number in range(50):
        thermal(np.zeros((20, 30), np.uint8), number / RATE)
    assert not thermal.frozen


def test_constant_counts_are_black():
    thermal = Thermal()
    for number in range(3):
        assert not thermal(np.full((20, 30), 7000, np.uint16), number / RATE).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"percentiles": (9, 3)}, "percentiles are 9 and 3"),
        ({"smoothing": -1}, "smoothing is -1"),
        ({"smoothing": float("nan")}, "smoothing is nan"),
        ({"clahe": 0}, "clahe is 0"),
    ],
)
def test_wrong_values(options, message):
    with pytest.raises(UserError, match=message):
        Thermal(**options)
