"""Writing files so that nobody ever sees half of one."""

import contextlib
import errno
import fcntl
import io
import os
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO

from ship_deploy.errors import UserError

_UNFINISHED = re.compile(r"\..*\.[0-9a-f]{16}\.part", re.DOTALL)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or nothing, durably.

    The content goes to a temporary file in the same folder, which is flushed to the disk and then
    renamed over `path`; then the folder is flushed. It is locked meanwhile, so what a process that
    was killed leaves behind is known by its lock being gone; see `remove_unfinished`.

    Raises:
        UserError: the folder cannot be written to, or is full.
    """
    _place(path, io.BytesIO(content))


def copy_atomically(source: Path, path: Path) -> None:
    """The same with the content of a file, of any size."""
    try:
        with source.open("rb") as content:
            _place(path, content)
    except OSError as error:
        raise UserError(f"{source}: cannot read ({error.strerror or error})") from error


def _place(path: Path, content: BinaryIO) -> None:
    temporary = path  # until there is one
    try:
        temporary, opened = _begin(path)
        with opened as file:
            shutil.copyfileobj(content, file, 1 << 20)
            put_in_place(temporary, file, path)
    except OSError as error:
        raise UserError(f"{path}: cannot write ({error.strerror or error})") from error
    finally:
        if temporary != path:
            temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, file: BinaryIO, path: Path) -> None:
    """Bring a file that was written beside `path` to the disk, and rename it; OSError if not."""
    file.flush()
    os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # FUSE, CIFS: folders cannot be
            raise
    finally:
        os.close(folder)


def _begin(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, open and locked."""
    while True:
        # The beginning of the name, which may be as long as a file system allows, in bytes.
        temporary = path.with_name(f".{path.name[:32]}.{secrets.token_hex(8)}.part")
        file = temporary.open("xb")
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, file
        file.close()  # somebody removed it before it was locked


def remove_unfinished(folder: Path) -> None:
    """Remove the files in a folder that `write_atomically` began in a process that died."""
    for path in folder.iterdir():
        if _UNFINISHED.fullmatch(path.name):
            with contextlib.suppress(OSError), open(path, "rb", opener=_open_regular) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while somebody writes
                path.unlink()


def _open_regular(path: str, flags: int) -> int:
    """Open a file that is neither a link nor a pipe, which would wait for somebody to write."""
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "not a regular file")
    return opened


def make_folder(path: Path) -> None:
    """Make a folder and those above it, and see that files can be made in it.

    What runs that were killed left in it is removed.

    Raises:
        UserError: it cannot be made, is a file, or cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        remove_unfinished(path)
    except OSError as error:
        raise UserError(f"{path}: cannot write there ({error.strerror or error})") from error
