"""Results in video files that play whatever happens while they are written."""

import contextlib
import logging
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.results import Recording, Result, Statistics
from ship_deploy.streams.encoder import check_installed
from ship_deploy.streams.recordings.codecs import FORMATS
from ship_deploy.streams.recordings.index import Index
from ship_deploy.streams.recordings.keeping import Keep
from ship_deploy.streams.recordings.naming import (
    check_pattern,
    expand,
    index_path,
    next_boundary,
    timed,
)
from ship_deploy.streams.recordings.part import OpenPart, draw_clock

LONGEST_GAP = 30.0  # seconds that one picture stands for; after a longer gap, a new file is begun
STEP = 1.0  # seconds by which the computer's clock was set, from which on a new file is begun
ENOUGH = 1 << 24  # bytes that are free before a recording that failed is begun anew
RETRY = 5.0  # seconds of results after which a recording that failed is begun anew

_log = logging.getLogger("ship_deploy.streams")


class VideoOutput:
    """A video file, or one after the other, of one size and a constant rate; an `Output`.

    Every frame is shown at its time: where frames were dropped or the cameras were away, the
    picture before stands. After a gap of more than 30 s, or when the computer's clock was set, a
    new file is begun. A result of another size is scaled to the first one's; odd sizes lose a row
    or a column. The program `ffmpeg` encodes: H.264 if it can, else MPEG-4 Part 2, of which the log
    warns; MJPEG for .avi. A file says when it was begun, as `creation_time`.

    A file plays at any moment, up to about a second before the last picture, though the process is
    killed; after a loss of power, up to three seconds. A file that exists is not written over:
    "night.mp4" is then called "night-2.mp4", and so on.

    What is recorded of cameras, or in segments, has an index of JSON lines: "night.jsonl". For each
    file it says `begin`, `end`, `bytes`, results (`frames`, `fused`, and `alone` by reason), frames
    `dropped` by reason, and for how many seconds a camera was `away`. `ship-deploy find` reads it.

    Args:
        path: ends in .mp4, .mkv, .mov or .avi. It may hold date and time as `strftime` writes them:
            "rec/%Y-%m-%d/%H%M.mp4"; a percent sign is "%%".
        rate: frames per second.
        segment: seconds. A new file is begun whenever the local time is a multiple of it; of files
            as sources, when as much of them was shown. A name without a time gets one, such as
            "night-20261126-231500.mp4". None for one file.
        overwrite: write over a file that exists.
        live: the results are of cameras, their times `time.monotonic`'s. What cannot be written is
            said in the log and tried again after a minute, in a new file; else it is an error.
        keep: what is kept of earlier files of this recording; needs an index. All if None.
        clock: draw the local time into the pictures.
        statistics: of the pipeline, for the drops in the index.

    Attributes:
        path: the file that is written now, or was last; the first one's before the first picture.
        problem: why nothing is recorded now; "" if all is well.

    Raises:
        UserError: another suffix, a place that cannot be written to, another process that records
            there, or no `ffmpeg`.
    """

    def __init__(
        self,
        path: Path,
        rate: float = 25.0,
        *,
        segment: float | None = None,
        overwrite: bool = False,
        live: bool = False,
        keep: Keep | None = None,
        clock: bool = False,
        statistics: Callable[[], Statistics] | None = None,
    ) -> None:
        if path.suffix.lower() not in FORMATS:
            raise UserError(f"{path}: expected a video file: {', '.join(FORMATS)}")
        check_pattern(path)
        if expand(path, time.time()).is_dir():
            raise UserError(f"{path}: is a folder, expected a video file")
        check_installed(str(path))
        self.path, self.problem = path, ""
        self._pattern, self._rate = timed(path, segment is not None), rate
        self._segment, self._overwrite, self._live = segment, overwrite, live
        self._keep, self._show_clock, self._statistics = keep, clock, statistics
        listed = index_path(path)
        make_folder(listed.parent)
        self._index = Index(listed) if live or segment is not None else None
        self._part: OpenPart | None = None
        self._bytes, self._written = 0, 0.0  # of the parts before; when the last one was written to
        self._lost = ""  # the first problem
        self._shift: float | None = None  # seconds from a result's time to that since 1970
        self._until = float("-inf")  # when the file, or the pause after a failure, ends
        self._last = float("-inf")  # time of the result before

    def write(self, result: Result) -> None:
        """Take a result.

        Raises:
            UserError: it cannot be written, unless `live`.
        """
        try:
            why = self._why_anew(result)
            if why:
                self._begin(result, why)
            if self._part and self._shift is not None:
                moment = result.time + self._shift
                image = draw_clock(result.image, moment) if self._show_clock else result.image
                self._part.send(result, image)
        except OSError as error:
            self._fail(str(error.strerror or error), result.time)
        self._last = result.time

    def close(self) -> None:
        """Finish the file.

        Raises:
            UserError: a part of what was to be recorded is missing.
        """
        try:
            self._finish("the end")
        except OSError as error:
            self._lost = self._lost or str(error)
        if self._index:
            self._index.close()
            self._index = None
        self._until = float("inf")  # nothing more is begun
        lost, self._lost = self._lost, ""
        if lost:
            raise UserError(f"{self.path}: the recording is incomplete: {lost}")

    def state(self) -> Recording:
        """How it does; from any thread."""
        part, folder = self._part, index_path(self._pattern).parent
        free = None
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free
        return Recording(
            problem=self.problem,
            written=(part.written if part else self._written) or None,
            bytes=self._bytes + (part.bytes if part else 0),
            free=free,
        )

    def _why_anew(self, result: Result) -> str:
        """Why a new file is to be begun; "" if none is."""
        before, gap = self._shift, result.time - self._last
        if self._live or self._shift is None:
            offset = time.monotonic() if self._live else result.time
            self._shift = time.time() - offset
        if result.time >= self._until:
            return "segment"
        if self._part is None:  # the pause after a failure
            return ""
        if before is not None and self._shift is not None and abs(self._shift - before) > STEP:
            return "the clock was set"
        return f"no picture for {gap:.0f} s" if gap > LONGEST_GAP else ""

    def _begin(self, result: Result, why: str) -> None:
        """The first file, the next one, or another try."""
        self._finish(why)
        assert self._shift is not None
        begin = result.time + self._shift
        if self._keep and self._index:
            self._keep.tidy(self._index, begin)
        if self.problem and shutil.disk_usage(index_path(self._pattern).parent).free < ENOUGH:
            raise OSError(self.problem)
        self.path = _create(expand(self._pattern, begin), self._overwrite)
        self._part = OpenPart(self.path, result, begin, self._rate, self._index, self._statistics)
        self._until = self._end(result.time, begin)
        if self.problem:
            said = {"event": "recording", "path": str(self.path)}
            _log.warning("%s: recording again", self.path, extra=said)
        self.problem = ""

    def _end(self, time: float, begin: float) -> float:
        if self._segment is None:
            return math.inf
        if self._live:
            return time + next_boundary(begin, self._segment) - begin
        return time + self._segment

    def _finish(self, why: str) -> None:
        part, self._part = self._part, None
        if part:
            problem = part.close(why)
            self._bytes, self._written = self._bytes + part.bytes, part.written
            if problem:
                raise OSError(problem)

    def _fail(self, problem: str, time: float) -> None:
        if not self.problem:
            said = {"event": "not_recording", "path": str(self.path), "problem": problem}
            _log.warning("%s: not recording: %s", self.path, problem, extra=said)
        self.problem = problem
        self._lost = self._lost or problem
        with contextlib.suppress(OSError):
            self._finish(problem)
        if not self._live:
            raise UserError(f"{self.path}: cannot write the recording ({problem})")
        self._until = time + min(RETRY, self._segment or RETRY)


def _create(path: Path, overwrite: bool) -> Path:
    """Make an empty file, under the name that is wanted or the next one that is free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted, number = path, 1
    while True:
        try:
            with path.open("wb" if overwrite else "xb"):
                return path
        except FileExistsError:
            number += 1
            path = wanted.with_stem(f"{wanted.stem}-{number}")
