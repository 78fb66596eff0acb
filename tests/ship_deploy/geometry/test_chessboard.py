import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.geometry.chessboard import find_corners
from ship_deploy.geometry.homography import project

from .conftest import VISIBLE, look

BOARD = (5, 8)


def draw(square=22, turn=0.0):
    """A board of 6x9 squares in a visible frame, twice as large for smooth edges."""
    rows, columns = np.indices((BOARD[0] + 1, BOARD[1] + 1))
    squares = np.uint8((rows + columns) % 2 * 200 + 20)
    board = np.kron(squares, np.ones((2 * square, 2 * square), np.uint8))
    height, width = board.shape
    place = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1)
    place[:, 2] += (VISIBLE[1] - width / 2, VISIBLE[0] - height / 2)
    size = (2 * VISIBLE[1], 2 * VISIBLE[0])
    large = cv2.warpAffine(board, place, size, borderValue=120)
    return cv2.resize(large, VISIBLE[::-1], interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize(("square", "turn"), [(22, 0.0), (22, 20.0), (9, -20.0)])
def test_finds_the_homography_whatever_is_the_warm_colour(truth, inverted, square, turn):
    """Squares of 9 pixels are 5 in infrared."""
    visible = draw(square, turn)
    infrared = look(255 - visible if inverted else visible, truth)
    there, here = find_corners(cv2.merge([visible] * 3), infrared, BOARD)
    assert there.shape == here.shape == (40, 2)
    assert np.linalg.norm(project(truth, there) - here, axis=1).max() < 0.7


@pytest.mark.parametrize("side", ["visible", "infrared"])
def test_a_missing_board_is_named(truth, side):
    frames = {"visible": draw(), "infrared": look(draw(), truth)}
    frames[side] = np.full_like(frames[side], 90)
    with pytest.raises(UserError, match=f"no chessboard of 5x8 inner corners in the {side} frame"):
        find_corners(frames["visible"], frames["infrared"], BOARD)
