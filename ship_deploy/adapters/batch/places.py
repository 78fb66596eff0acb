"""Where files are: in folders, or in object stores that fsspec knows."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from ship_deploy.errors import UserError, how_to_install
from ship_deploy.files import copy_atomically, make_folder, remove_unfinished, write_atomically

# Those show an object when it is whole, and never half of it.
STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
CHUNK = 1 << 20  # bytes at a time of a file that may be large


def find_place(text: str | Path) -> Path:
    """A path; for an address such as s3://bucket/folder, an object that is used like one.

    Raises:
        UserError: not an object store, or its package is not installed.
    """
    if "://" not in str(text):
        return Path(text).absolute()
    scheme = urlsplit(str(text)).scheme
    if scheme not in STORES:
        raise UserError(f"{text}: expected a path, or an address of {', '.join(STORES[:-1])}")
    try:
        from upath import UPath

        place = UPath(str(text))
        _ = place.fs
    except ImportError as error:
        hint = f"; {how_to_install('ray')}" if error.name == "upath" else ""
        raise UserError(f"{text}: needs {error.name or error}{hint}") from error
    return cast(Path, place)


def is_remote(place: Path) -> bool:
    """Whether a place is in an object store."""
    return not isinstance(place, Path)


@contextlib.contextmanager
def reached(place: Path) -> Iterator[None]:
    """What a store says as a UserError; its libraries have exceptions of many kinds."""
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        said = f"{error.strerror or error}".strip() or type(error).__name__
        raise UserError(f"{place}: {said}") from error
    except Exception as error:
        if not is_remote(place):
            raise
        raise UserError(f"{place}: {error}") from error


def write(place: Path, content: bytes) -> None:
    """Write a whole file or nothing; folders are made.

    Raises:
        UserError: it cannot be written.
    """
    with reached(place):
        if is_remote(place):
            place.write_bytes(content)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, content)


def put(file: Path, place: Path) -> None:
    """Copy a local file, of any size, to a place: whole, or not at all."""
    with reached(place):
        if is_remote(place):
            _store(place).put_file(str(file), _key(place))
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        copy_atomically(file, place)


def fetch(place: Path, folder: Path) -> Path:
    """A file or folder on this machine: the place itself, or a copy in `folder`."""
    if not is_remote(place):
        return place
    copy = folder / place.name
    with reached(place):
        _store(place).get(_key(place), str(copy), recursive=place.is_dir())
    return copy


def digest(content: bytes | Path) -> str:
    """SHA-256 of a content, or of a local file, in hex."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    found = hashlib.sha256()
    with content.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def digest_at(place: Path) -> str:
    """The same of what is at a place; "" if nothing is."""
    with reached(place):
        try:
            if not is_remote(place):
                return digest(place)
            found = hashlib.sha256()
            with place.open("rb") as file:
                while chunk := file.read(CHUNK):
                    found.update(chunk)
            return found.hexdigest()
        except FileNotFoundError:
            return ""


def prepare_target(place: Path) -> None:
    """Make a target, if it is a folder, and see that files can be made in it."""
    if not is_remote(place):
        make_folder(place)


def clear(folder: Path) -> None:
    """Remove what processes that were killed left in a folder."""
    if not is_remote(folder) and folder.is_dir():
        remove_unfinished(folder)


def _store(place: Any) -> Any:
    return place.fs


def _key(place: Any) -> str:
    return str(place.path)
