"""Cameras of this computer: which there are, and the mode in which one is read."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from ship_deploy.errors import UserError
from ship_deploy.frames import parse_size, split_size
from ship_deploy.streams.videos import size_of

DEVICES = "/dev/video"  # and a number
COUNTS = "YUYV16"
NEAR = 1.0  # frames per second; a Lepton that is asked for 9 says 8.57 or 9


@dataclass(frozen=True)
class Mode:
    """What a camera of this computer is asked for; what is None is left to it.

    Attributes:
        format: V4L2's code of a pixel format, such as "Y16", "YUYV" or "MJPG". Or "YUYV16", for USB
            cameras that send temperatures as if they were YUYV: the two bytes of each pixel are one
            number of 16 bits, the lower byte first.
        size: (height, width), pixels.
        rate: frames per second.

    Raises:
        UserError: none of these.
    """

    format: str | None = None
    size: tuple[int, int] | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.format not in (None, COUNTS) and not re.fullmatch("[A-Z0-9]{3,4}", self.format):
            raise UserError(
                f"pixel format is {self.format!r}, expected V4L2's code of one, such as Y16, YUYV "
                f"or MJPG, or {COUNTS}"
            )
        if self.rate is not None and not 0 < self.rate < 1000:
            raise UserError(f"rate is {self.rate}, expected frames per second, such as 30")

    @property
    def counts(self) -> bool:
        """Whether two bytes are one number."""
        return self.format == COUNTS


def read_mode(text: str) -> Mode:
    """The mode that a user means: "Y16", or with size and rate "MJPG,720x1280,30", in any order.

    Raises:
        UserError: it is none.
    """
    found: dict[str, Any] = {}
    for part in text.split(","):
        value: Any = part
        if split_size(part):
            name, value = "size", parse_size("the size of a mode", part)
        elif re.fullmatch(r"[0-9]+(\.[0-9]+)?", part):
            name, value = "rate", float(part)
        else:
            name = "format"
        if name in found:
            raise UserError(f"mode {text!r} names two of {name}")
        found[name] = value
    return Mode(**found)


def check_device(index: int) -> None:
    """Say that there is no camera of that index, on Linux, where files tell.

    Raises:
        UserError: that, and which there are.
    """
    if sys.platform != "linux" or Path(f"{DEVICES}{index}").exists():
        return
    found = sorted(str(path) for path in Path(DEVICES).parent.glob(f"{Path(DEVICES).name}*"))
    there = f"there are {', '.join(found)}" if found else f"there is no {DEVICES}*"
    raise UserError(f"camera {index}: no such device; {there}")


def open_device(address: int | str, mode: Mode) -> Any:
    """OpenCV's capture of a camera, in a mode; one that is not open if it cannot be opened.

    Raises:
        UserError: the camera has another mode. That is not left to whoever looks at the picture.
    """
    capture = cv2.VideoCapture(address, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    if not capture.isOpened():
        return capture
    code = (mode.format or "").removesuffix("16" if mode.counts else "").ljust(4)
    height, width = mode.size or (0, 0)
    if mode.format:  # first: a driver has sizes and rates for each format
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*code))
    if mode.size:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    if mode.rate:
        capture.set(cv2.CAP_PROP_FPS, mode.rate)
    if mode.counts:
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    given = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    size, rate = size_of(capture), capture.get(cv2.CAP_PROP_FPS)
    problem = ""
    if mode.format and given != code.encode():
        problem = f"gives {given.decode(errors='replace').strip()} instead of {mode.format}"
    elif mode.size and size != mode.size:
        problem = f"gives {size[0]}x{size[1]} instead of {height}x{width} (height x width)"
    elif mode.rate and rate > 0 and abs(rate - mode.rate) > NEAR:  # some do not tell
        problem = f"gives {rate:g} frames per second instead of {mode.rate:g}"
    if problem:
        capture.release()
        device = f"{DEVICES}{address}" if isinstance(address, int) else address
        raise UserError(
            f"{device}: {problem}; v4l2-ctl --device {device} --list-formats-ext lists its modes"
        )
    return capture
