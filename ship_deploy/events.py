"""What happens, for programs and for whoever looks for a fault afterwards.

Everything that is worth a line is a log record of a logger below `ship_deploy`. Its message is for
people; what `extra` adds to it, `event` first of all, is for programs.
"""

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically

KEPT = 60.0  # seconds
MOST = 20_000  # events; a line takes some 200 bytes
_USUAL = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "taskName"}

_log = logging.getLogger("ship_deploy.events")


class JsonLines(logging.Formatter):
    """A log record as one line of JSON.

    Its keys are `time` (UTC, RFC 3339), `level`, `logger`, `thread`, `message`, what `extra` added,
    and `traceback` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        when = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "time": when.isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _USUAL}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class FlightRecorder(logging.Handler):
    """Keeps the events of the last minute in memory and writes them to a file when they matter.

    These are log records of all levels: at the level of debugging, the pipeline tells of every
    result and of every frame that was dropped. As a context manager it listens to what is below
    the logger `ship_deploy`, and writes

    - when the process receives SIGUSR1;
    - when an error that is not a UserError ends what is inside, or any thread.

    Nothing is written when the process is killed, or crashes in C++.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self._events: deque[tuple[float, str]] = deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; called with the lock held."""
        now = time.monotonic()
        self._events.append((now, self.format(record)))
        while self._events[0][0] < now - KEPT:
            self._events.popleft()

    def dump(self, why: str, error: BaseException | None = None) -> Path:
        """Write a file of JSON lines: what happened, then what every thread is doing.

        It lies in the folder for temporary files, `$TMPDIR`.

        Args:
            why: for the first line.
            error: for the first line, with its traceback.

        Raises:
            UserError: it cannot be written.
        """
        head = {"why": why, "process": os.getpid(), "command": sys.argv[0]}
        if error:
            head["traceback"] = "".join(traceback.format_exception(error))
        self.acquire()
        try:
            lines = [json.dumps(head), *(line for _, line in self._events)]
        finally:
            self.release()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for number, frame in sys._current_frames().items():
            stack = {"thread": names.get(number), "stack": traceback.format_stack(frame)}
            lines.append(json.dumps(stack))
        when = time.strftime("%Y%m%d-%H%M%S")
        name = f"ship-deploy-{when}-{os.getpid()}-{time.monotonic_ns()}.jsonl"
        path = Path(tempfile.gettempdir(), name)
        write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
        said = {"event": "dump", "path": str(path)}
        _log.warning("the events of the last %.0f s are in %s", KEPT, path, extra=said)
        return path

    def __enter__(self) -> "FlightRecorder":
        logger = logging.getLogger("ship_deploy")
        self._before = logger.level, threading.excepthook, signal.getsignal(signal.SIGUSR1)
        logger.addHandler(self)
        logger.setLevel(logging.DEBUG)
        threading.excepthook = self._tell_of_thread
        signal.signal(signal.SIGUSR1, self._tell_of_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserError):
            self._try_to_dump("crash", error)
        logger = logging.getLogger("ship_deploy")
        logger.removeHandler(self)
        level, threading.excepthook, handler = self._before
        logger.setLevel(level)
        signal.signal(signal.SIGUSR1, handler)

    def _tell_of_signal(self, number: int, frame: FrameType | None) -> None:
        self._try_to_dump(signal.Signals(number).name)

    def _tell_of_thread(self, end: threading.ExceptHookArgs) -> None:
        name = end.thread.name if end.thread else "a thread"
        _log.error("%s ended by a bug: %r", name, end.exc_value, extra={"event": "crash"})
        self._try_to_dump("crash", end.exc_value)

    def _try_to_dump(self, why: str, error: BaseException | None = None) -> None:
        try:
            self.dump(why, error)
        except UserError as error:
            _log.error("%s", error)
