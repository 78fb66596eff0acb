"""What every command of the project prints on, and how it ends: errors in one line, exit codes."""

import logging
import os
import signal
import sys
import time
import traceback
from types import FrameType
from typing import NoReturn

import typer
from rich.console import Console

from ship_deploy.errors import UserError
from ship_deploy.events import JsonLines

# Results go to the one, all that is said meanwhile to the other, whose lines are never broken.
OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
# What OpenCV and FFmpeg print, the commands raise or log themselves. Read when OpenCV is imported.
QUIET = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
_log = logging.getLogger("ship_deploy")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
KEPT = "interrupted; what was finished is kept"
FAILURE, INTERRUPTED, TERMINATED = 1, 130, 143
EPILOG = "Every command takes --debug, which prints the traceback of an error."


def log_as_json() -> None:
    """From here on, all that is not a result is a line of JSON on standard error."""
    ERR.quiet = True
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def log_as_text() -> None:
    """A line for each record of the log, above what shows progress."""
    logging.basicConfig(level=logging.INFO, handlers=[_Text(logging.INFO)])


def say(message: str) -> None:
    """One line about how a command ends."""
    line = " ".join(message.split())
    if ERR.quiet:
        _log.error(line, extra={"event": "end"})
    else:
        print(line, file=sys.stderr, flush=True)


class _Text(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        ERR.print(time.strftime("%H:%M:%S"), record.getMessage(), markup=False)


def run(app: typer.Typer) -> NoReturn:
    """Run a command-line program and exit: 0 success, 1 failure, 2 wrong usage, 130 interrupted."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    try:
        try:
            app(arguments)
        finally:  # from here on a signal ends the process without a word
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
    except SystemExit as end:
        if end.code in (INTERRUPTED, TERMINATED):
            say(KEPT)
        raise
    except KeyboardInterrupt:  # before the command began, which turns it into an exit
        say(KEPT)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, UserError):
            say(f"error: {error}")
        elif isinstance(error, ImportError):
            say(f"error: {error}; run ship-deploy doctor to see what is missing")
        else:
            say(f"error: {type(error).__name__}: {error} (a bug; --debug prints the traceback)")
    sys.exit(FAILURE)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End what runs, so that clean-up does, too; but at once where that is an import.

    An import that breaks off is reported as all kinds of errors, by modules written in C too, and
    there is nothing to clean up. One in a thread does not matter.
    """
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            say(KEPT)
            os._exit(128 + number)
        frame = frame.f_back
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
