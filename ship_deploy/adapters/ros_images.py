"""ROS image messages as arrays and back, without ROS and without cv_bridge."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.frames import Frames
from ship_deploy.images import picture_problem

# Encoding of sensor_msgs/Image -> bytes of a sample, channels, and what OpenCV makes BGR by.
ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    "mono8": (1, 1, None),
    "8UC1": (1, 1, None),
    "mono16": (2, 1, None),
    "16UC1": (2, 1, None),
    "bgr8": (1, 3, None),
    "8UC3": (1, 3, None),
    "rgb8": (1, 3, cv2.COLOR_RGB2BGR),
    "bgra8": (1, 4, cv2.COLOR_BGRA2BGR),
    "rgba8": (1, 4, cv2.COLOR_RGBA2BGR),
    "yuv422": (1, 2, cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": (1, 2, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": (1, 2, cv2.COLOR_YUV2BGR_YUY2),
    "yuyv": (1, 2, cv2.COLOR_YUV2BGR_YUY2),
}
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def check_encoding(message: Any) -> None:
    """Raise a UserError if an Image has an encoding that `to_image` does not know."""
    if hasattr(message, "encoding") and message.encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise UserError(f"image encoding is {message.encoding!r}, expected one of {known}")


def to_image(message: Any) -> NDArray[Any]:
    """A sensor_msgs/Image or CompressedImage as an array.

    Args:
        message: of ROS 1 or 2, or any object with the same fields.

    Returns:
        uint8 BGR (H, W, 3), or uint8 or uint16 (H, W).

    Raises:
        UserError: an unknown encoding, sizes that do not fit the data, or a damaged picture.
    """
    if not hasattr(message, "encoding"):
        return _decompress(bytes(message.data))
    check_encoding(message)
    size, channels, code = ENCODINGS[message.encoding]
    height, step, wide = message.height, message.step, message.width * channels * size
    data = np.frombuffer(message.data, np.uint8)
    if not 0 < wide <= step or height <= 0 or data.size < height * step:
        raise UserError(
            f"a damaged image: {height} rows of {step} bytes, {message.width} pixels wide, "
            f"in {data.size} bytes"
        )
    rows = np.ascontiguousarray(data[: height * step].reshape(height, step)[:, :wide])
    image = rows.view(np.dtype(f"{'>' if message.is_bigendian else '<'}u{size}"))
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if channels > 1:
        image = image.reshape(height, message.width, channels)
    try:
        return image if code is None else np.asarray(cv2.cvtColor(image, code))
    except cv2.error as error:  # yuv422 of an odd width
        raise UserError(f"a damaged image: {error.err}") from error


def make_image(
    kind: Callable[..., Any],
    image: Frames,
    header: Any,
    pack: Callable[[Frames], Any] = np.ravel,
) -> Any:
    """A BGR picture (H, W, 3) as a sensor_msgs/Image.

    Args:
        kind: the message class.
        image: the picture.
        header: of the message.
        pack: makes of the picture what the class wants as data.
    """
    height, width = image.shape[:2]
    return kind(
        header=header,
        height=height,
        width=width,
        encoding="bgr8",
        is_bigendian=0,
        step=3 * width,
        data=pack(np.ascontiguousarray(image)),
    )


def stamp_of(message: Any) -> float | None:
    """The header's stamp in seconds; None if the driver left it at zero."""
    stamp = message.header.stamp
    return stamp.sec + stamp.nanosec * 1e-9 or None


def _decompress(content: bytes) -> NDArray[Any]:
    if problem := picture_problem(content):
        raise UserError(f"a compressed image: {problem}")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise UserError(f"a compressed image: {error.err}") from error
    if image is None:
        raise UserError("a compressed image: damaged")
    return image[..., :3] if image.ndim == 3 and image.shape[2] == 4 else image
