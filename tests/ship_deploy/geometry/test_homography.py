import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.geometry.homography import coverage, estimate, keeps_orientation, project

from .conftest import INFRARED

SQUARE = np.array([(10, 10), (150, 12), (148, 118), (8, 120.0)])
MORE = np.vstack([SQUARE, [(80, 60), (40, 90), (120, 30.0)]])


@pytest.mark.parametrize("points", [SQUARE, MORE])
def test_exact_points_give_the_exact_homography(truth, points):
    found = estimate(points, project(truth, points), INFRARED)
    assert np.allclose(found.matrix / found.matrix[2, 2], truth / truth[2, 2], atol=1e-5)
    assert found.errors.max() < 1e-4  # OpenCV keeps points as float32


def test_errors_are_distances_in_the_visible_frame(truth):
    target = project(truth, MORE)
    target[4] += (30, 40)
    found = estimate(MORE, target, INFRARED)
    assert np.allclose(
        found.errors, np.linalg.norm(project(found.matrix, MORE) - target, axis=1), atol=1e-9
    )
    assert found.errors.argmax() == 4 and found.errors[4] > 10


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (SQUARE[:3], "3 points; a homography needs 4 or more"),
        (np.linspace((0, 0), (100, 50), 6), "lie on a line"),
        (np.array([(0, 0), (50, 50), (100, 100), (0, 90.0)]), "lie on a line, or too many"),
        (np.array([(5, 5)] * 4, float), "lie on a line"),
    ],
)
def test_points_that_say_too_little(truth, points, message):
    with pytest.raises(UserError, match=message):
        estimate(points, project(truth, points), INFRARED)


def test_points_on_a_line_in_the_other_frame_are_refused_too():
    with pytest.raises(UserError, match="the visible points lie on a line"):
        estimate(SQUARE, np.linspace((0, 0), (90, 50), 4), INFRARED)


def test_a_mirrored_frame_is_refused(truth):
    with pytest.raises(UserError, match="mirror or fold"):
        estimate(SQUARE, project(truth, SQUARE) * (-1, 1) + (320, 0), INFRARED)


def test_points_in_another_order_are_refused(truth):
    with pytest.raises(UserError, match="mirror or fold"):
        estimate(SQUARE, project(truth, SQUARE)[[1, 0, 2, 3]], INFRARED)


def test_a_horizon_inside_the_frame_is_no_view(truth):
    assert keeps_orientation(truth, INFRARED)
    assert keeps_orientation(-truth, INFRARED)  # the same homography
    assert not keeps_orientation(np.diag([-1.0, 1, 1]), INFRARED)
    assert not keeps_orientation(np.array([[1, 0, 0], [0, 1, 0], [-1 / 80, 0, 1]]), INFRARED)
    assert not keeps_orientation(np.zeros((3, 3)), INFRARED)


def test_coverage_is_the_share_of_the_hull():
    assert coverage(np.array([(0, 0), (40, 0), (40, 50), (0, 50.0), (20, 20)]), (100, 80)) == 0.25
