"""What every command of the project prints on, and how it ends: errors in one line, exit codes."""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

import typer
from rich.console import Console

from ship_deploy.errors import UserError

# Results go to the one, all that is said meanwhile to the other, whose lines are never broken.
OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
# What OpenCV and FFmpeg print, the commands raise or log themselves. Read when OpenCV is imported.
QUIET = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
SIGNALS = (signal.SIGINT, signal.SIGTERM)
KEPT = "interrupted; what was finished is kept"
FAILURE, INTERRUPTED, TERMINATED = 1, 130, 143
EPILOG = "Every command takes --debug, which prints the traceback of an error."


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
            _say(KEPT)
        raise
    except KeyboardInterrupt:  # before the command began, which turns it into an exit
        _say(KEPT)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, UserError):
            _say(f"error: {error}")
        elif isinstance(error, ImportError):
            _say(f"error: {error}; run ship-deploy doctor to see what is missing")
        else:
            _say(f"error: {type(error).__name__}: {error} (a bug; --debug prints the traceback)")
    sys.exit(FAILURE)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End what runs, so that clean-up does, too; but at once where that is an import.

    An import that breaks off is reported as all kinds of errors, by modules written in C too, and
    there is nothing to clean up. One in a thread does not matter.
    """
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            _say(KEPT)
            os._exit(128 + number)
        frame = frame.f_back
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _say(message: str) -> None:
    print(" ".join(message.split()), file=sys.stderr)
