"""A run's folder is its own for as long as it trains."""

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ship_deploy.errors import UserError
from ship_deploy.files import make_folder

LOCK = "run.lock"


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder and keep other runs out of it; what is left empty afterwards is removed.

    The lock ends with the process, however that ends, and is not inherited by its children.

    Raises:
        UserError: another run has it, and which; or it cannot be written to.
    """
    make_folder(folder)
    path = folder / LOCK
    file = _lock(path)
    try:
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()
        with contextlib.suppress(OSError):  # there is something in it
            folder.rmdir()


def _lock(path: Path) -> TextIO:
    while True:
        try:
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path}: cannot write ({error.strerror})") from error
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.seek(0)
                owner = file.readline().strip() or "another process"
                file.close()
                raise UserError(
                    f"{path.parent}: {owner} is training there; wait for it, or change run.name"
                ) from error
            # Some file systems have no locks.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                return file
        file.close()  # the run that had it has just removed it
