"""Image messages as arrays, and back."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.adapters.ros_images import make_image, stamp_of, to_image


def message(
    image: np.ndarray, encoding: str, padding: int = 0, bigendian: bool = False
) -> SimpleNamespace:
    """A sensor_msgs/Image without ROS."""
    height = image.shape[0]
    if bigendian:
        image = image.astype(image.dtype.newbyteorder(">"))
    rows = np.pad(image.reshape(height, -1).view(np.uint8), ((0, 0), (0, padding)))
    return SimpleNamespace(
        height=height,
        width=image.shape[1],
        encoding=encoding,
        is_bigendian=bigendian,
        step=rows.shape[1],
        data=rows.tobytes(),
    )


COLOUR = np.arange(20 * 24 * 3, dtype=np.uint8).reshape(20, 24, 3)
COUNTS = (np.arange(20 * 24, dtype=np.uint16) * 50).reshape(20, 24)
ALPHA = np.dstack([COLOUR, COLOUR[..., 0]])


@pytest.mark.parametrize(
    ("sent", "image"),
    [
        (message(COLOUR, "bgr8"), COLOUR),
        (message(COLOUR, "bgr8", padding=8), COLOUR),
        (message(COLOUR[..., ::-1].copy(), "rgb8"), COLOUR),
        (message(ALPHA, "bgra8"), COLOUR),
        (message(ALPHA[..., [2, 1, 0, 3]], "rgba8"), COLOUR),
        (message(COLOUR[..., 0].copy(), "mono8"), COLOUR[..., 0]),
        (message(COUNTS, "mono16", padding=4), COUNTS),
        (message(COUNTS, "16UC1", bigendian=True), COUNTS),
    ],
)
def test_every_encoding(sent, image):
    found = to_image(sent)

    assert found.dtype == image.dtype and np.array_equal(found, image)


@pytest.mark.parametrize(
    ("encoding", "pixel"), [("yuv422", (128, 90)), ("yuv422_yuy2", (90, 128)), ("yuyv", (90, 128))]
)
def test_yuv_of_a_grey_picture_is_grey(encoding, pixel):
    found = to_image(message(np.full((20, 24, 2), pixel, np.uint8), encoding))

    assert found.shape == (20, 24, 3) and np.ptp(found) == 0
    assert abs(int(found[0, 0, 0]) - (90 - 16) * 255 / 219) < 2


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_compressed_images(suffix):
    smooth = cv2.GaussianBlur(COLOUR, (0, 0), 4)
    found = to_image(SimpleNamespace(data=cv2.imencode(suffix, smooth)[1].tobytes()))

    assert found.shape == (20, 24, 3) and np.abs(found.astype(int) - smooth).mean() < 3


def test_compressed_counts_keep_their_depth():
    found = to_image(SimpleNamespace(data=cv2.imencode(".png", COUNTS)[1].tobytes()))

    assert np.array_equal(found, COUNTS) and found.dtype == np.uint16


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoding": "bayer_rggb8"}, "bayer_rggb8"),
        ({"height": 21}, "damaged"),
        ({"width": 25}, "damaged"),
        ({"width": 0}, "damaged"),
        ({"encoding": "yuv422", "width": 23}, "damaged"),
        ({"data": b"abc"}, "damaged"),
    ],
)
def test_what_does_not_fit_is_refused(change, said):
    sent = message(COLOUR, "bgr8")
    vars(sent).update(change)

    with pytest.raises(UserError, match=said):
        to_image(sent)


def test_a_damaged_compressed_image_is_refused():
    with pytest.raises(UserError, match="a compressed image"):
        to_image(SimpleNamespace(data=b"\xff\xd8\xff no jpeg"))


def test_an_image_and_back():
    sent = make_image(SimpleNamespace, COLOUR[:, ::2], "the header")

    assert sent.header == "the header" and sent.step == 36
    assert np.array_equal(to_image(sent), COLOUR[:, ::2])


def test_a_stamp_of_zero_is_none():
    for sec, nanosec, stamp in ((0, 0, None), (3, 500_000_000, 3.5)):
        header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec))
        assert stamp_of(SimpleNamespace(header=header)) == stamp
