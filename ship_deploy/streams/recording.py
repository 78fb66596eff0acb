"""Results in a video file that plays whatever happens while it is written."""

import contextlib
import logging
import os
import shutil
import threading
from datetime import datetime
from pathlib import Path

import numpy as np

from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.results import Result
from ship_deploy.streams.encoder import Encoder, check_installed

_H264 = "-c:v libx264 -preset superfast -tune zerolatency -crf 20 -pix_fmt yuv420p"
# Fragments, or clusters, of a second, each written as soon as it is whole.
_FRAGMENTS = f"{_H264} -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 1000000"
FORMATS = {
    ".mp4": f"{_FRAGMENTS} -f mp4",
    ".mov": f"{_FRAGMENTS} -f mov",
    ".mkv": f"{_H264} -cluster_time_limit 1000 -f matroska",
    ".avi": "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p -f avi",
}
LONGEST_GAP = 2.0  # seconds that one picture stands for; a longer gap is cut short
SYNC = 2.0  # seconds after which what was written is on the disk, for a loss of power
DEADLINE = 10.0  # seconds in which the encoder takes a picture, or ends
ENOUGH = 1 << 24  # bytes that are free before a recording that failed is begun anew
RETRY = 60.0  # seconds of results after which a recording that failed is begun anew

_log = logging.getLogger("ship_deploy.streams")


class VideoOutput:
    """A video file, of one size and a constant rate; an `Output`.

    It plays at the speed of the cameras: where frames were dropped, the picture before stands. A
    result of another size is scaled to the first one's; odd sizes lose a row or a column. The
    program `ffmpeg` encodes, H.264 or, for .avi, MJPEG. The file plays at any moment, up to about a
    second before the last picture, though the process is killed; after a loss of power, up to three
    seconds.

    A file that exists is not written over: "night.mp4" is then called "night-2.mp4", and so on.

    Args:
        path: ends in .mp4, .mkv, .mov or .avi.
        rate: frames per second.
        segment: seconds after which a new file is begun; their names carry the local time, such as
            "night-20261126-231500.mp4". None for one file.
        overwrite: write over a file that exists.
        keep_going: what cannot be written is said in the log and tried again after a minute, in a
            new file, for cameras; else it is an error.

    Attributes:
        path: the file that is written now, or was last; the first one's before the first picture.
        problem: why nothing is recorded now; "" if all is well.

    Raises:
        UserError: another suffix, a place that cannot be written to, or no `ffmpeg`.
    """

    def __init__(
        self,
        path: Path,
        rate: float = 25.0,
        *,
        segment: float | None = None,
        overwrite: bool = False,
        keep_going: bool = False,
    ) -> None:
        if path.suffix.lower() not in FORMATS:
            raise UserError(f"{path}: expected a video file: {', '.join(FORMATS)}")
        if path.is_dir():
            raise UserError(f"{path}: is a folder, expected a video file")
        check_installed(str(path))
        make_folder(path.parent)
        self.path, self.problem = path, ""
        self._wanted, self._rate, self._segment = path, rate, segment
        self._overwrite, self._keep_going = overwrite, keep_going
        self._file: _File | None = None
        self._lost = ""  # the first problem
        self._next = 0.0  # time of the next picture
        self._until = float("-inf")  # when the file, or the pause after a failure, ends
        self._last = np.empty(0, np.uint8)  # the picture before

    def write(self, result: Result) -> None:
        """Take a result.

        Raises:
            UserError: it cannot be written, unless `keep_going`.
        """
        try:
            if result.time >= self._until:
                self._begin(result)
            if self._file:
                self._send(result, self._file)
        except OSError as error:
            self._fail(str(error.strerror or error), result.time)

    def close(self) -> None:
        """Finish the file.

        Raises:
            UserError: a part of what was to be recorded is missing.
        """
        try:
            self._finish()
        except OSError as error:
            self._lost = self._lost or str(error)
        self._until = float("inf")  # nothing more is begun
        lost, self._lost = self._lost, ""
        if lost:
            raise UserError(f"{self.path}: the recording is incomplete: {lost}")

    def _send(self, result: Result, file: "_File") -> None:
        period = 1 / self._rate
        self._next = max(self._next, result.time - LONGEST_GAP)
        while self._next <= result.time - period / 2:
            file.encoder.send(self._last)
            self._next += period
        if self._next <= result.time + period / 2:
            file.encoder.send(result.image)
            self._next += period
        self._last = result.image

    def _begin(self, result: Result) -> None:
        """The first file, the next segment, or another try."""
        self._finish()
        if self.problem and shutil.disk_usage(self._wanted.parent).free < ENOUGH:
            raise OSError(self.problem)
        self._next, self._last = result.time, result.image
        self.path = _create(self._wanted, self._segment is not None, self._overwrite)
        self._until = result.time + (self._segment or float("inf"))
        self._file = _File(self.path, self._rate, (result.image.shape[0], result.image.shape[1]))
        if self.problem:
            said = {"event": "recording", "path": str(self.path)}
            _log.warning("%s: recording again", self.path, extra=said)
        self.problem = ""

    def _finish(self) -> None:
        file, self._file = self._file, None
        if file and (problem := file.close()):
            raise OSError(problem)

    def _fail(self, problem: str, time: float) -> None:
        if not self.problem:
            said = {"event": "not_recording", "path": str(self.path), "problem": problem}
            _log.warning("%s: not recording: %s", self.path, problem, extra=said)
        self.problem = problem
        self._lost = self._lost or problem
        with contextlib.suppress(OSError):
            self._finish()
        if not self._keep_going:
            raise UserError(f"{self.path}: cannot write the recording ({problem})")
        self._until = time + min(RETRY, self._segment or RETRY)


class _File:
    """A video that is being written, and brought to the disk now and then."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        options = f"-g {max(1, round(rate))} {FORMATS[path.suffix.lower()]} -flush_packets 1"
        self._path, self._closed = path, threading.Event()
        self.encoder = Encoder(f"file:{path}", options, rate, size, DEADLINE)
        self._thread = threading.Thread(target=self._sync, name=f"sync {path.name}", daemon=True)
        self._thread.start()

    def close(self) -> str:
        """What went wrong; "" if nothing did."""
        self._closed.set()
        return self.encoder.close(DEADLINE)

    def _sync(self) -> None:
        """In a thread of its own: a slow disk takes seconds for it."""
        while not self._closed.wait(SYNC):
            with contextlib.suppress(OSError):  # what cannot be written, the encoder says
                number = os.open(self._path, os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)


def _create(wanted: Path, segment: bool, overwrite: bool) -> Path:
    """Make an empty file, under the name that is wanted or the next one that is free."""
    stem = wanted.stem + (f"-{datetime.now():%Y%m%d-%H%M%S}" if segment else "")
    path, number = wanted.with_stem(stem), 1
    while True:
        try:
            with path.open("wb" if overwrite else "xb"):
                return path
        except FileExistsError:
            number += 1
            path = wanted.with_stem(f"{stem}-{number}")
