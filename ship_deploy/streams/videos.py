"""Videos and cameras that OpenCV has opened: their frames in full depth, and their stamps."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.frames import most_pixels

CODES = cv2.CAP_PROP_CODEC_PIXEL_FORMAT, cv2.CAP_PROP_FOURCC
LONG = 3600.0  # seconds before zero at which no video begins
RAW_YUYV = [int.from_bytes(b"YUY2", "little"), 0]
# Grey of up to 16 bits in two bytes: FFmpeg's code, and V4L2's.
GREY_16 = [int.from_bytes(code, "little") for code in (b"Y1\0\x10", b"Y16 ", b"Y12 ", b"Y10 ")]


def _lost_depth(codes: Iterable[int]) -> int:
    """Bits per sample of a pixel format that OpenCV would cut down to 8; 0 if it is none.

    FFmpeg's codes of raw formats hold the depth: "Y1", 0, 10 for gray10le, "Y3", 11, 10 for
    yuv420p10le, and backwards for big-endian ones.
    """
    for code in codes:
        letters = code.to_bytes(4, "little")
        for ordered in (letters, letters[::-1]):
            if ordered[:1] == b"Y" and ordered[1:2] in b"1234" and 8 < ordered[3] <= 16:
                return ordered[3]
    return 0


class Video:
    """OpenCV's capture, open; a `Capture`.

    Args:
        capture: OpenCV's.
        keep: the name of a source of which no depth may be lost; "" if it may.
        counts: it gives the bytes of pixels, of which two are one number.
    """

    def __init__(self, capture: Any, keep: str = "", counts: bool = False) -> None:
        self._capture, self._begun, self._counts = capture, False, counts
        if not capture.isOpened():
            raise OSError("cannot be opened")
        height, width = size_of(capture)
        if height * width > most_pixels():
            capture.release()
            raise UserError(
                f"a video of {width}x{height}, and frames of at most {most_pixels():,} pixels are "
                "decoded; --max-pixels changes that"
            )
        codes = [int(capture.get(code)) & 0xFFFFFFFF for code in CODES]
        if any(code in GREY_16 for code in codes):
            self._counts = True
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)  # else it comes as 8 bits, three times
        elif keep and (bits := _lost_depth(codes)):
            capture.release()
            raise UserError(
                f"{keep}: a video of {bits} bits a sample, of which 8 would be left; convert it: "
                "ffmpeg -i IN -pix_fmt gray16le -c:v ffv1 OUT.mkv"
            )

    def read(self) -> tuple[NDArray[Any] | None, float | None] | None:
        """The next image and its stamp in seconds; None at the end."""
        arrived, image = self._capture.read()
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        # A backend that has no stamps says 0 or -1 for ever; OpenCV before 4.13, minus an age.
        without = stamp <= 0 if self._begun else stamp < -LONG
        self._begun = True
        if not arrived:
            return None
        if self._counts:
            image = as_counts(image, size_of(self._capture))
        return image, None if without else stamp

    def close(self) -> None:
        """Let go of it."""
        self._capture.release()


def read_packets(capture: Any, name: str) -> None:
    """Let a video of raw YUYV give the bytes of its frames, not pictures.

    Raises:
        UserError: it is another one; `name` is the file's.
    """
    if [int(capture.get(code)) for code in CODES] != RAW_YUYV:
        raise UserError(f"{name}: not a video of raw YUYV, whose bytes could be counts")
    capture.set(cv2.CAP_PROP_FORMAT, -1)


def size_of(capture: Any) -> tuple[int, int]:
    """(height, width) of what a capture gives."""
    sides = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
    height, width = (int(capture.get(side)) for side in sides)
    return height, width


def as_counts(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint16] | None:
    """The two bytes of each pixel as one number, (height, width); None if bytes are missing.

    Args:
        pixels: as OpenCV gives them: uint16 (H, W), uint8 (H, W, 2), or uint8 (1, N), as 4.11 does.
        size: (height, width).
    """
    if pixels.nbytes != 2 * size[0] * size[1]:
        return None
    return np.ascontiguousarray(pixels).reshape(-1).view(np.uint16).reshape(size)
