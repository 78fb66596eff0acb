"""`ship-deploy calibrate` and `fuse --calibration`, on files."""

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.commands.calibrate import calibrate_files
from ship_deploy.commands.fuse import fuse_files
from ship_deploy.geometry.calibration import Calibration, read_calibration, write_calibration
from ship_deploy.images import write_png
from training.scenes import render

VISIBLE, INFRARED = (96, 128), (48, 64)
MATRIX = np.array([[1.6, 0.05, 10], [-0.04, 1.55, 8], [0, 0.0002, 1]])
PLACES = np.array([(5, 5), (60, 4), (58, 44), (6, 40), (30, 20), (20, 35.0)])


@pytest.fixture
def pair(tmp_path):
    visible, infrared = render(3, *VISIBLE)
    counts = cv2.warpPerspective(infrared, np.linalg.inv(MATRIX), INFRARED[::-1])
    write_png(tmp_path / "v.png", visible)
    write_png(tmp_path / "i.png", counts.astype(np.uint16) * 20 + 7000)
    return tmp_path / "v.png", tmp_path / "i.png"


def write_points(path, infrared=PLACES, visible=None):
    if visible is None:
        visible = cv2.perspectiveTransform(infrared[:, None], MATRIX)[:, 0]
    lines = ["infrared_x,infrared_y,visible_x,visible_y"]
    lines += [",".join(map(str, row)) for row in np.hstack([infrared, visible])]
    path.write_text("\n".join(lines))
    return path


def test_points_into_a_calibration_and_a_picture(pair, tmp_path, capsys):
    output = tmp_path / "new" / "rig.json"
    calibrate_files(*pair, output, points=write_points(tmp_path / "p.csv"))
    found = read_calibration(output)
    assert np.allclose(found.matrix, MATRIX, atol=1e-3)
    assert (found.method, found.points) == ("points", 6)
    assert found.rms < 1e-2 and found.worst < 1e-2
    assert (found.infrared_size, found.visible_size) == (INFRARED, VISIBLE)
    assert cv2.imread(str(tmp_path / "new" / "rig.jpg")).shape == (96, 256, 3)
    said = capsys.readouterr()
    assert said.out.split() == [str(output), str(output.with_suffix(".jpg"))]
    assert "6 points of 1 pair" in said.err


def test_says_that_four_points_prove_nothing(pair, tmp_path, capsys):
    corner = PLACES[[0, 4, 5, 3]] / 2
    calibrate_files(*pair, tmp_path / "c.json", points=write_points(tmp_path / "p.csv", corner))
    said = capsys.readouterr().err
    assert "Four points always fit" in said and "a guess" in said


def test_a_wrong_click_is_named_and_nothing_is_written(pair, tmp_path):
    visible = cv2.perspectiveTransform(PLACES[:, None], MATRIX)[:, 0]
    visible[4] += (0, 30)
    points = write_points(tmp_path / "p.csv", PLACES, visible)
    with pytest.raises(UserError, match=r"off by .* RMS, the limit is 0\.8 .* number 5, infrared"):
        calibrate_files(*pair, tmp_path / "c.json", points=points)
    assert not list(tmp_path.glob("c.*"))
    calibrate_files(*pair, tmp_path / "c.json", points=points, max_error=20)
    assert read_calibration(tmp_path / "c.json").worst > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"board": "5x5"}, "--board is '5x5', expected"),
        ({"board": "big"}, "--board is 'big', expected"),
        ({"board": "5x8"}, "v: no chessboard of 5x8"),
        ({"board": "5x8", "points": "p.csv"}, "--board and --points: give one of them"),
    ],
)
def test_what_fails_leaves_nothing(pair, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        calibrate_files(*pair, tmp_path / "new" / "c.json", **options)
    assert not (tmp_path / "new").exists()


def test_without_points_the_frames_are_matched(pair, tmp_path):
    calibrate_files(*pair, tmp_path / "c.json")
    found = read_calibration(tmp_path / "c.json")
    assert found.method == "matching"
    here = [cv2.perspectiveTransform(PLACES[:, None], matrix) for matrix in (found.matrix, MATRIX)]
    assert np.linalg.norm(here[0] - here[1], axis=-1).max() < 1.5  # of so small a frame


def test_frames_that_do_not_match_leave_nothing(pair, tmp_path):
    write_png(pair[1], cv2.flip(cv2.imread(str(pair[1]), cv2.IMREAD_UNCHANGED), -1))
    with pytest.raises(UserError, match="the frames do not match"):
        calibrate_files(*pair, tmp_path / "new" / "c.json")
    assert not (tmp_path / "new").exists()


def test_points_outside_the_frame(pair, tmp_path):
    points = write_points(tmp_path / "p.csv", PLACES + np.array([10, 0]))
    with pytest.raises(UserError, match=r"infrared point 2, \(70, 4\), is outside its"):
        calibrate_files(*pair, tmp_path / "c.json", points=points)


@pytest.mark.parametrize("output", ["c.txt", "."])
def test_an_output_that_is_no_calibration(pair, tmp_path, output):
    with pytest.raises(UserError, match=r"calibrations are written as \.json"):
        calibrate_files(*pair, tmp_path / output)


def test_pairs_of_two_sizes(pair, tmp_path):
    for side, path in zip(("visible", "infrared"), pair, strict=True):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.png").write_bytes(path.read_bytes())
        write_png(tmp_path / side / "b.png", np.zeros((50, 50), np.uint8))
    with pytest.raises(UserError, match=r"b\.png: 50x50, those before it were 96x128"):
        calibrate_files(tmp_path / "visible", tmp_path / "infrared", tmp_path / "c.json")


def write_rig(path, infrared=INFRARED):
    rows = tuple(tuple(map(float, row)) for row in MATRIX)
    write_calibration(path, Calibration(rows, infrared, VISIBLE, 0.1, 0.2, 6, "points"))
    return path


def test_fuse_applies_it(pair, model, fuser, tmp_path):
    options = {"model": model, "device": "cpu", "threads": 1, "percentiles": (0.0, 100.0)}
    rig, output = write_rig(tmp_path / "c.json"), tmp_path / "fused.png"
    fuse_files(*pair, output, tmp_path / "page.html", rig, **options)
    counts = cv2.imread(str(pair[1]), cv2.IMREAD_UNCHANGED)
    grey = np.rint((counts - counts.min()) * (255 / np.ptp(counts))).astype(np.uint8)
    aligned = cv2.warpPerspective(grey, MATRIX, VISIBLE[::-1])
    assert np.array_equal(cv2.imread(str(output)), fuser(cv2.imread(str(pair[0])), aligned))
    assert (tmp_path / "page.html").exists()


def test_fuse_refuses_a_calibration_of_another_camera(pair, model, tmp_path):
    rig, output = write_rig(tmp_path / "c.json", (50, 64)), tmp_path / "out"
    with pytest.raises(UserError, match=r"v\.png and .*i\.png: the calibration is for infrared"):
        fuse_files(*pair, output, None, rig, model=model, percentiles=(0.5, 99.5))
    assert not output.exists()
