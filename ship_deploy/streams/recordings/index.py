"""The index of a recording: which file shows which time. One line of JSON an event."""

import contextlib
import errno
import fcntl
import json
import math
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ship_deploy.errors import UserError

COUNT = 20.0  # seconds that counting the pictures of a file may take


@dataclass(frozen=True)
class Part:
    """One file of a recording.

    Attributes:
        path: the file.
        begin: time of its first picture, seconds since 1970.
        rate: pictures per second.
        end: time after its last picture; None if nobody closed it.
        bytes: its size when it was closed.
        facts: what else its last line says.
    """

    path: Path
    begin: float
    rate: float
    end: float | None = None
    bytes: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def until(self) -> float:
        """Its end, or what the file itself shows of it: counted, or its last change."""
        if self.end is not None:
            return self.end
        pictures = count_pictures(self.path)
        if pictures is not None:
            return self.begin + pictures / self.rate
        with contextlib.suppress(OSError):
            return max(self.begin, self.path.stat().st_mtime)
        return self.begin


def read_index(path: Path) -> list[Part]:
    """The files of a recording that were not removed, in the order of their times.

    A line that was cut off, as by a loss of power, is passed over, and so is one that names a file
    outside of the index's folder.

    Raises:
        UserError: the index cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    parts: dict[Path, Part] = {}
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
            told = json.loads(line)
            file = _inside(path.parent, told["file"])
            if told["event"] == "removed":
                parts.pop(file, None)
            else:
                begin = _seconds(told["begin"])
                part = Part(file, begin, _rate(told["rate"]), facts=told)
                if told["event"] == "end":
                    end = _seconds(told["end"])
                    part = replace(part, end=end, bytes=int(told["bytes"]))
                parts[file] = part
    return sorted(parts.values(), key=lambda part: part.begin)


class Index:
    """Writes the index of one recording, which nobody else may write meanwhile.

    What cannot be written, as the disk is full, is written with the next line. Safe between
    threads.

    Args:
        path: the index; made if it is not there.

    Raises:
        UserError: it cannot be written, or another process records there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: list[dict[str, Any]] = []
        self._guard = threading.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno == errno.EWOULDBLOCK:
                    os.close(self._file)
                    raise UserError(
                        f"{path}: another process records there; give another output"
                    ) from None
                # Some file systems have no locks.
        except OSError as error:
            raise UserError(f"{path}: cannot write ({error.strerror or error})") from error
        self.parts = {part.path: part for part in read_index(path)}
        for part in [part for part in self.parts.values() if part.end is None]:
            self._repair(part)

    def begin(self, part: Part) -> None:
        """A file is begun."""
        self.parts[part.path] = part
        self._append("begin", part, {})

    def end(self, part: Part, facts: Mapping[str, Any]) -> None:
        """A file is closed; `part` says when and how large."""
        self.parts[part.path] = part
        self._append("end", part, facts)

    def remove(self, part: Part, why: str) -> None:
        """A file is not there any more, or not ours."""
        self.parts.pop(part.path, None)
        self._append("removed", part, {"why": why})

    def sync(self) -> None:
        """Bring what was written to the disk; a slow one takes seconds for it."""
        with contextlib.suppress(OSError):
            os.fsync(self._file)

    def close(self) -> None:
        """Let others write."""
        with self._guard:
            self._flush()
            os.close(self._file)

    def _repair(self, part: Part) -> None:
        """Close a file in the index whose process died. The file itself stays as it is."""
        try:
            size = part.path.stat().st_size
        except OSError:
            self.remove(part, "is gone")
            return
        self.end(replace(part, end=part.until, bytes=size), {"why": "the process died"})

    def _append(self, event: str, part: Part, facts: Mapping[str, Any]) -> None:
        line: dict[str, Any] = {
            "event": event,
            "file": part.path.relative_to(self.path.parent).as_posix(),
            "begin": _iso(part.begin),
            "rate": part.rate,
        }
        if event == "end" and part.end is not None:
            line |= {"end": _iso(part.end), "bytes": part.bytes}
        elif event == "removed":
            line["time"] = _iso(time.time())
        with self._guard:
            self._pending.append({**line, **facts})
            self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(OSError):
            while self._pending:
                content = b"" if self._ends_a_line() else b"\n"
                content += json.dumps(self._pending[0]).encode() + b"\n"
                if os.write(self._file, content) < len(content):
                    return  # the disk is full; half a line is passed over
                del self._pending[0]

    def _ends_a_line(self) -> bool:
        size = os.fstat(self._file).st_size
        return size == 0 or os.pread(self._file, 1, size - 1) == b"\n"


def count_pictures(path: Path) -> int | None:
    """How many pictures of a video file can be played; None if FFmpeg cannot tell."""
    command = "ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0"
    try:
        ended = subprocess.run(
            [*command.split(), f"file:{path}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COUNT,
            check=False,
        )
        return int(ended.stdout.decode(errors="replace").split(",")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _inside(folder: Path, name: str) -> Path:
    path = Path(name)
    os.fsencode(name)  # or a ValueError: half of a surrogate pair, which no name of a file has
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(name)
    return folder / path


def _rate(told: object) -> float:
    rate = float(str(told))
    if not 0 < rate < math.inf:
        raise ValueError(told)
    return rate


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
