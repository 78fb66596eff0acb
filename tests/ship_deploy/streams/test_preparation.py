import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.frames import stretch
from ship_deploy.geometry.calibration import Calibration
from ship_deploy.streams import Crop, Frame
from ship_deploy.streams.preparation import Preparation
from ship_deploy.thermal import Thermal

MATRIX = ((1.5, 0.0, 4.0), (0.0, 1.5, 2.0), (0.0, 0.0, 1.0))
RIG = Calibration(MATRIX, (32, 40), (60, 80), 0.1, 0.2, 8, "points")
COUNTS = np.random.default_rng(0).integers(7000, 9000, (32, 40), np.uint16)


def frame(image=COUNTS, time=0.0):
    return Frame(image, time, 0)


def test_without_a_calibration_it_is_scaled():
    found = Preparation()(frame(), (64, 80))
    expected = cv2.resize(stretch(COUNTS, (0.5, 99.5)), (80, 64), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("size", [None, (32, 40)])
def test_without_a_visible_frame_or_of_its_size_it_stays(size):
    assert np.array_equal(Preparation()(frame(), size), stretch(COUNTS, (0.5, 99.5)))


@pytest.mark.parametrize("size", [None, (60, 80)])
def test_with_a_calibration_it_is_aligned(size):
    grey = stretch(COUNTS, (0.5, 99.5))
    expected = cv2.warpPerspective(grey, np.array(MATRIX), (80, 60))
    assert np.array_equal(Preparation(calibration=RIG)(frame(), size), expected)


def test_frames_of_another_size_than_the_calibrations_are_refused():
    with pytest.raises(UserError, match="for visible frames of 60x80"):
        Preparation(calibration=RIG)(frame(), (64, 80))


def test_a_picture_that_stands_still_is_not_fused():
    prepare = Preparation(Thermal(freeze=0.3))
    prepare(frame(time=0.0), None)
    prepare(frame(time=0.2), None)
    with pytest.raises(UserError, match="is frozen"):
        prepare(frame(time=0.4), None)
    prepare(frame(COUNTS + 1, time=0.5), None)


@pytest.mark.parametrize(
    ("infrared", "visible"), [((512, 640), (1080, 1920)), ((384, 256), (192, 256))]
)
def test_frames_of_other_proportions_are_refused(infrared, visible):
    with pytest.raises(UserError, match="of the same proportions; crop"):
        Preparation()(frame(np.zeros(infrared, np.uint8)), visible)


def test_of_two_pictures_in_one_the_crop_uses_one():
    two = np.concatenate([COUNTS, COUNTS + 30_000])
    found = Preparation(crop=Crop("bottom"))(frame(two), (64, 80))
    assert np.array_equal(found, Preparation()(frame(), (64, 80)))


def test_a_camera_that_shows_false_colours_is_told_from_one_that_shows_grey():
    grey = stretch(COUNTS, (0.5, 99.5))
    assert np.array_equal(Preparation()(frame(np.dstack([grey] * 3)), (32, 40)), grey)
    with pytest.raises(UserError, match="is in colour"):
        Preparation()(frame(cv2.applyColorMap(grey, cv2.COLORMAP_JET)), (32, 40))
