"""Where results go: a video file, images, a function."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.images import write_png
from ship_deploy.results import Output, Result

CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".mov": "mp4v", ".avi": "MJPG"}
LONGEST_GAP = 2.0  # seconds that one picture stands for; a longer gap is cut short


class VideoOutput:
    """A video file, of one size and a constant rate.

    It plays at the speed of the cameras: where frames were dropped, the picture before stands. A
    result of another size is scaled to the first one's. The file is written beside its
    place, as `.NAME.part.SUFFIX`, and moved there by `close`. To keep what was recorded before a
    loss of power, write `.mkv` or `.avi`: their parts play without an end.

    Args:
        path: ends in .mp4, .mkv, .mov or .avi.
        rate: frames per second.

    Raises:
        UserError: another suffix, or a place that cannot be written to.
    """

    def __init__(self, path: Path, rate: float = 25.0) -> None:
        if path.suffix.lower() not in CODECS:
            raise UserError(f"{path}: expected a video file: {', '.join(CODECS)}")
        if path.is_dir():
            raise UserError(f"{path}: is a folder, expected a video file")
        make_folder(path.parent)
        self._path, self._rate = path, rate
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)  # width, height
        self._next = 0.0  # time of the next picture
        self._last = np.empty(0, np.uint8)  # the picture before

    def write(self, result: Result) -> None:
        """Take a result."""
        writer = self._writer or self._open(result)
        image = result.image
        if image.shape[1::-1] != self._size:
            image = np.asarray(
                cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8
            )
        period = 1 / self._rate
        self._next = max(self._next, result.time - LONGEST_GAP)
        while self._next <= result.time - period / 2:
            writer.write(self._last)
            self._next += period
        if self._next <= result.time + period / 2:
            writer.write(image)
            self._next += period
        self._last = image

    def close(self) -> None:
        """Finish the file, see that it plays, and move it to its place.

        Raises:
            UserError: it does not; the disk may be full.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        if not cv2.VideoCapture(str(self._part), cv2.CAP_FFMPEG).read()[0]:
            raise UserError(f"{self._part}: the video is incomplete; is the disk full?")
        os.replace(self._part, self._path)

    def _open(self, result: Result) -> cv2.VideoWriter:
        height, width = result.image.shape[:2]
        self._size, self._next, self._last = (width, height), result.time, result.image
        codec = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(self._part), codec, self._rate, self._size)
        if not self._writer.isOpened():
            raise UserError(f"{self._path}: cannot write a video of {height}x{width}")
        return self._writer


class ImageOutput:
    """A folder of PNG files, 00000000.png and so on.

    Args:
        folder: made if it is not there.
        overwrite: write over files of an earlier run, instead of counting on from them.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        make_folder(folder)
        numbers = [int(p.stem) for p in folder.glob("[0-9]*.png") if re.fullmatch(r"\d{8}", p.stem)]
        self._folder = folder
        self._count = 0 if overwrite else max(numbers, default=-1) + 1

    def write(self, result: Result) -> None:
        """Take a result."""
        write_png(self._folder / f"{self._count:08}.png", result.image)
        self._count += 1

    def close(self) -> None:
        """Nothing is left to do."""


class Callback:
    """A function that is called with every result, such as one that publishes it."""

    def __init__(self, function: Callable[[Result], object]) -> None:
        self._function = function

    def write(self, result: Result) -> None:
        """Take a result."""
        self._function(result)

    def close(self) -> None:
        """Nothing is left to do."""


def close_all(outputs: Iterable[Output]) -> None:
    """Close every output, though one of them fails; then raise what failed first."""
    problem: Exception | None = None
    for output in outputs:
        try:
            output.close()
        except Exception as error:
            problem = problem or error
    if problem:
        raise problem
