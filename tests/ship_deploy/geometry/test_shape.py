import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.geometry.shape import Crop, fit

PICTURE = np.arange(384 * 256, dtype=np.uint32).reshape(384, 256)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("top", PICTURE[:192]),
        ("bottom", PICTURE[192:]),
        ("10,20,30,40", PICTURE[20:60, 10:40]),
        ("0,0,256,384", PICTURE),
    ],
)
def test_a_crop_is_a_part_of_the_picture(text, expected):
    assert np.array_equal(Crop(text)(PICTURE), expected)


@pytest.mark.parametrize("text", ["", "left", "1,2,3", "-1,0,16,16", "1,2,3,4,5", "\u0661,0,16,16"])
def test_what_is_no_crop_is_said(text):
    with pytest.raises(UserError, match="expected top, bottom or X,Y,WIDTH,HEIGHT"):
        Crop(text)


@pytest.mark.parametrize("text", ["0,0,257,384", "200,0,100,100", "0,300,16,100", "0,0,15,100"])
def test_a_crop_beyond_the_picture_or_too_small_is_refused(text):
    with pytest.raises(UserError, match="of an infrared frame of 384x256"):
        Crop(text)(PICTURE)


@pytest.mark.parametrize("shape", [(120, 160), (480, 640), (960, 1280), (288, 382)])
def test_frames_of_the_same_proportions_are_scaled(shape):
    assert fit(np.full(shape, 7, np.uint16), (480, 640)).shape == (480, 640)
    assert (fit(np.full(shape, 7, np.uint16), (480, 640)) == 7).all()


@pytest.mark.parametrize("shape", [(512, 640), (640, 480), (384, 256)])
def test_frames_of_other_proportions_are_refused(shape):
    with pytest.raises(UserError, match="of the same proportions"):
        fit(np.zeros(shape, np.uint8), (480, 640))


@pytest.mark.parametrize(
    ("shape", "two"),
    [((384, 256), True), ((500, 256), True), ((512, 640), False), ((900, 256), False)],
)
def test_what_may_hold_two_pictures_is_told_so(shape, two):
    with pytest.raises(UserError) as refused:
        fit(np.zeros(shape, np.uint8), (480, 640))
    assert ("may hold two pictures" in str(refused.value)) == two


def test_pictures_in_colour_are_cut_too():
    assert Crop("top")(np.zeros((40, 30, 3), np.uint8)).shape == (20, 30, 3)
