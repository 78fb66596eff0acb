import json

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.geometry.calibration import Calibration, read_calibration, write_calibration

from .conftest import INFRARED, VISIBLE, look


@pytest.fixture
def calibration(truth):
    rows = tuple(tuple(map(float, row)) for row in truth)
    return Calibration(rows, INFRARED, VISIBLE, 0.5, 1.25, 9, "points")


def test_what_is_written_is_read(calibration, tmp_path):
    write_calibration(tmp_path / "c.json", calibration)
    assert read_calibration(tmp_path / "c.json") == calibration


def test_a_warped_frame_lies_on_the_visible_one(calibration, truth):
    y, x = np.indices(VISIBLE)
    aligned = np.uint16(2000 + 40 * x + 25 * y)  # bilinear interpolation keeps a ramp
    found = calibration.align(look(aligned, truth), VISIBLE)
    view = calibration.view()
    assert found.dtype == np.uint16 and found.shape == VISIBLE
    assert np.abs(found[view].astype(int) - aligned[view]).max() < 8  # a fifth of a pixel
    assert 0.6 < view.mean() < 0.8


def test_outside_the_view_is_black(calibration):
    found = calibration.align(np.full(INFRARED, 200, np.uint8), VISIBLE)
    view = calibration.view()
    assert (found[view] == 200).all()
    outside = cv2.dilate(np.uint8(view), np.ones((5, 5))) == 0  # between them it fades
    assert (found[outside] == 0).all() and outside.mean() > 0.2


@pytest.mark.parametrize(
    ("infrared", "visible", "message"),
    [
        ((120, 160), VISIBLE, "for infrared frames of 128x160 .* these are 120x160"),
        (INFRARED, (480, 640), "for visible frames of 240x320 .* these are 480x640"),
    ],
)
def test_frames_of_another_size_are_refused(calibration, infrared, visible, message):
    with pytest.raises(UserError, match=message):
        calibration.align(np.zeros(infrared, np.uint8), visible)


def replace(key, value):
    return lambda fields: fields.update({key: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda fields: fields.pop("rms"), '"rms" is not a number'),
        (replace("format", "other"), '"format" is not "ship-deploy calibration 1"'),
        (replace("homography", [[1, 2, 3]]), '"homography" is not three rows of three numbers'),
        (replace("homography", [[1, 0, 0], [0, 1, 0], [0, 0, "1"]]), "three rows"),
        (replace("homography", [[1, 0, 0], [0, 1, 0], [0, 0, float("nan")]]), "three rows"),
        (replace("homography", [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]), "inside out"),
        (replace("homography", [[0, 0, 0]] * 3), "inside out"),
        (replace("visible_size", [240, 320, 3]), r'"visible_size" is not \[height, width\]'),
        (replace("infrared_size", [True, 160]), '"infrared_size" is not'),
        (replace("infrared_size", [128, 10**9]), '"infrared_size" is not'),
        (replace("visible_size", [32767, 32767]), '"visible_size" is not .*100,000,000 pixels'),
        (replace("homography", [[1, 0, 0], [0, 1, 0], [0, 0, 10**400]]), "three rows"),
        (replace("rms", 10**400), '"rms" is not a number'),
        (replace("worst", -1), '"worst" is not a number'),
        (replace("points", 3), '"points" is not a count'),
        (replace("method", None), '"method" is not a text'),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(calibration, tmp_path, damage, message):
    path = tmp_path / "c.json"
    write_calibration(path, calibration)
    fields = json.loads(path.read_text())
    damage(fields)
    path.write_text(json.dumps(fields))
    with pytest.raises(UserError, match=f"c.json: not a calibration .*{message}"):
        read_calibration(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_no_json(tmp_path, content):
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(UserError, match="not a calibration"):
        read_calibration(tmp_path / "c.json")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"c\.json: cannot read the calibration"):
        read_calibration(tmp_path / "c.json")
