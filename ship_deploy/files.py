"""Writing files so that nobody ever sees half of one."""

import errno
import os
import secrets
import tempfile
from pathlib import Path

from ship_deploy.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or nothing, durably.

    The content goes to a temporary file in the same folder, which is flushed to the disk and then
    renamed over `path`; then the folder is flushed.

    Raises:
        UserError: the folder cannot be written to, or is full.
    """
    # The beginning of the name, which may be as long as a file system allows, in bytes.
    temporary = path.with_name(f".{path.name[:32]}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
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
    except OSError as error:
        raise UserError(f"{path}: cannot write ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, and see that files can be made in it.

    Raises:
        UserError: it cannot be made, is a file, or cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot write there ({error.strerror or error})") from error
