"""Work in a process of its own: a crash or a hang in a driver ends that process, and no more."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ship_deploy.errors import UserError


def isolated(work: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
    """Run a function of a module in a new process, with all that it starts.

    Args:
        work: the function; it, its arguments and its result can be pickled.
        arguments: of it.
        seconds: after which the process is killed.

    Returns:
        What the function returns.

    Raises:
        UserError: it raised an error, and which; it crashed; or it took too long.
    """
    context = get_context("spawn")  # CUDA does not survive a fork
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, work, arguments))
    process.start()
    sender.close()  # so that a crash ends the pipe
    try:
        if not receiver.poll(max(seconds, 0)):
            raise UserError(f"did not finish within {seconds:.0f} s")
        result, problem = receiver.recv()
    except EOFError as error:
        process.join()
        code = process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise UserError(f"crashed ({how})") from error
    finally:
        _kill(process)
    if problem is not None:
        raise UserError(problem)
    return result


def _work(sender: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.setsid()  # a group of its own, with what it starts
    answer: tuple[Any, str | None]
    try:
        answer = work(*arguments), None
    except Exception as error:  # of any library
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        answer = None, " ".join(f"{kind}{error}".split())[:500]
    sys.stdout.flush()
    sys.stderr.flush()
    sender.send(answer)
    os._exit(0)  # no clean-up: a library that crashes in it has done its work


def _kill(process: BaseProcess) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it is no group yet, or has ended
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join()
