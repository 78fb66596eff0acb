import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.frames import prepare, scale, stretch

LIMITS = (0.5, 99.5)


def u8(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.uint8)


@pytest.mark.parametrize(
    ("visible", "infrared"),
    [
        (u8(20, 30, 3), u8(20, 30)),
        (u8(20, 30), u8(20, 30)),
        (u8(5, 20, 30, 3), u8(5, 20, 30)),
        (u8(5, 20, 30), u8(5, 20, 30)),
        (u8(20, 60, 3)[:, ::2], u8(40, 30)[::2]),  # views
        (u8(16, 16, 3), u8(16, 16)),  # the smallest
    ],
)
def test_shapes_that_can_be_fused(visible, infrared):
    batch = infrared.shape[0] if infrared.ndim == 3 else 1
    height, width = infrared.shape[-2:]

    v, i = prepare(visible, infrared, LIMITS)

    assert (v.shape, v.dtype) == ((batch, height, width, 3), np.uint8)
    assert (i.shape, i.dtype) == ((batch, height, width), np.uint8)
    assert v.flags.c_contiguous and i.flags.c_contiguous


@pytest.mark.parametrize(
    ("visible", "infrared", "message"),
    [
        (u8(480, 640, 3), u8(240, 320), "visible is 480x640 and infrared 240x320"),
        (u8(30, 20), u8(20, 30), "visible is 30x20 and infrared 20x30"),
        (u8(1, 1, 3), u8(1, 1), "frames are 1x1, the smallest is 16x16"),
        (u8(15, 40, 3), u8(15, 40), "frames are 15x40, the smallest"),
        (u8(40, 15, 3), u8(40, 15), "frames are 40x15, the smallest"),
        (u8(20, 30, 4), u8(20, 30), r"visible has shape \(20, 30, 4\)"),
        (u8(20, 30, 3), u8(20, 30, 1, 2), r"infrared has shape \(20, 30, 1, 2\)"),
        (u8(2, 20, 30, 3), u8(3, 20, 30), "2 visible frames, but 3 infrared ones"),
        (u8(20, 30, 3), u8(3, 20, 30), r"infrared \(3, 20, 30\), expected \(N, H, W, 3\)"),
        (u8(0, 20, 30, 3), u8(0, 20, 30), "the batch is empty"),
        (u8(20, 30, 3).astype(np.float32), u8(20, 30), "visible is float32, expected uint8"),
        (u8(20, 30, 3), u8(20, 30).astype(complex), "infrared is complex128, expected integers"),
        (u8(20, 30, 3), u8(20, 30, 3) + np.arange(3), "three channels that differ, false colours"),
        (np.ma.masked_equal(u8(20, 30), 0), u8(20, 30), "visible has masked samples"),
        (u8(20, 30), np.full((20, 30), -9999.0), "no measurement in any sample"),
        (u8(20, 30, 3), u8(20, 30).astype(bool), "infrared is bool"),
        ([[1]], u8(20, 30), "visible is a list, expected a numpy array"),
        (u8(20, 30, 3), None, "infrared is a NoneType"),
    ],
)
def test_what_cannot_be_fused_is_said_in_one_line(visible, infrared, message):
    with pytest.raises(UserError, match=message) as error:
        prepare(visible, infrared, LIMITS)
    assert "\n" not in str(error.value)


def test_8_bits_pass_untouched():
    frame = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    assert stretch(frame, LIMITS) is frame


TYPES = ["u2", ">u2", "i2", "i4", "u4", "i8", "f2", "f4", ">f4", "f8"]


@pytest.mark.parametrize("dtype", TYPES)
def test_all_types_that_cameras_and_files_give_look_alike(dtype):
    counts = np.random.default_rng(0).integers(200, 1200, (20, 30))
    expected = stretch(counts.astype(np.uint16), LIMITS)
    assert np.array_equal(stretch(counts.astype(dtype), LIMITS), expected)


@pytest.mark.parametrize("last", [1, 3])
def test_a_last_axis_of_equal_channels_is_dropped(last):
    frame = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    _, one = prepare(u8(20, 30, 3), np.repeat(frame[..., None], last, axis=-1), LIMITS)
    _, two = prepare(u8(2, 20, 30, 3), np.stack([frame[..., None]] * 2), LIMITS)
    assert np.array_equal(one[0], frame) and np.array_equal(two[1], frame)


@pytest.mark.parametrize("no_data", [-9999.0, -32768.0, float(np.finfo(np.float32).min), None])
def test_samples_without_a_measurement_do_not_count_and_become_black(no_data):
    scene = np.random.default_rng(0).uniform(20, 30, (2, 20, 30)).astype(np.float32)
    frame = scene.copy()
    if no_data is None:
        frame[0, :, :8] = np.nan
        frame = np.ma.masked_invalid(frame)
    else:
        frame[0, :, :8] = no_data

    _, found = prepare(u8(2, 20, 30, 3), frame, LIMITS)

    assert not found[0, :, :8].any()
    assert np.array_equal(found[0, :, 8:], stretch(scene[0, :, 8:].copy(), LIMITS))
    assert np.array_equal(found[1], stretch(scene[1], LIMITS))


def test_a_mask_counts_in_8_bits_too():
    frame = np.ma.masked_greater(np.full((20, 30), 200, np.uint8), 100)
    assert not stretch(frame, LIMITS).any()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_percentiles_become_black_and_white(dtype):
    counts = np.linspace(3000, 3100, 101).astype(dtype)  # a warm day: 100 counts of 14 bits
    frame = np.repeat(counts[None], 20, axis=0)

    stretched = stretch(frame, (10, 90))[0]

    assert (stretched[:11] == 0).all() and stretched[11] > 0
    assert (stretched[90:] == 255).all() and stretched[89] < 255
    assert stretched[50] in (127, 128)
    assert (np.diff(stretched.astype(int)) >= 0).all()


def test_each_frame_of_a_batch_is_stretched_on_its_own():
    frames = np.random.default_rng(0).integers(100, 200, (2, 20, 30)).astype(np.uint16)
    frames[1] *= 50

    both = stretch(frames, LIMITS)

    assert np.array_equal(both[0], stretch(frames[0], LIMITS))
    assert np.array_equal(both[1], stretch(frames[1], LIMITS))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_constant_frame_becomes_black(dtype):
    assert not stretch(np.full((20, 30), 8000, dtype), LIMITS).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_counted_and_placed(bad):
    frame = np.ones((20, 30), np.float32)
    frame[4, 7] = frame[9, 9] = bad

    with pytest.raises(UserError, match=r"2 NaN or infinite samples, the first at \(4, 7\)"):
        prepare(u8(20, 30, 3), frame, LIMITS)


def test_half_precision_is_stretched_like_single():
    """Its range is so narrow that the distance of two samples may be beyond it."""
    rng = np.random.default_rng(0)
    degrees = rng.uniform(-20, 120, (20, 24)).astype(np.float16)
    far = np.where(np.arange(24) < 12, -60_000, 60_000).astype(np.float16)[None].repeat(20, axis=0)
    for infrared in (degrees, far):
        single = infrared.astype(np.float32)
        for percentiles in ((0.5, 99.5), (0, 50)):
            expected = stretch(single, percentiles)
            np.testing.assert_array_equal(stretch(infrared, percentiles), expected)
        np.testing.assert_array_equal(scale(infrared, 7.3, 41.9), scale(single, 7.3, 41.9))


def test_scaling_rounds_to_the_nearest_level():
    counts = np.array([[7000, 7001, 7002, 7003, 7004]], np.uint16)
    assert scale(counts, 7000.0, 7004.0).tolist() == [[0, 64, 128, 191, 255]]
