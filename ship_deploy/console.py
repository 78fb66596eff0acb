"""What every command of the project prints on, and how it ends: errors in one line, exit codes."""

import signal
import sys
import traceback
from typing import NoReturn

import typer
from rich.console import Console

from ship_deploy.errors import UserError

# Results go to the one, all that is said meanwhile to the other, whose lines are never broken.
OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
FAILURE, INTERRUPTED, TERMINATED = 1, 130, 143
EPILOG = "Any command takes --debug, which shows where an error came from."


def run(app: typer.Typer) -> NoReturn:
    """Run a command-line program and exit: 0 success, 1 failure, 2 wrong usage, 130 interrupted."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that clean-up runs
    try:
        app(arguments)
    except SystemExit as end:
        if end.code in (INTERRUPTED, TERMINATED):
            _say("interrupted; what was finished is kept")
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, UserError):
            _say(f"error: {error}")
        elif isinstance(error, ImportError):
            _say(f"error: {error}; ship-deploy doctor says what is missing")
        else:
            _say(f"error: {type(error).__name__}: {error} (a bug; --debug shows where)")
    sys.exit(FAILURE)


def _say(message: str) -> None:
    print(" ".join(message.split()), file=sys.stderr)
