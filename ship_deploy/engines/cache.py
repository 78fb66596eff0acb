"""Engines that were built without being asked for, kept so that each is built once."""

import fcntl
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ship_deploy.artifact import Artifact
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.passport import passport_path, read_whole, write_engine
from ship_deploy.engines.recipe import Recipe
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder

LIMIT = 4 << 30  # bytes of engines; those not used for longest go first
_ENGINE = re.compile(r".+-[0-9a-f]{16}\.engine", re.DOTALL)
_log = logging.getLogger("ship_deploy.engines")


class Cached(NamedTuple):
    """An engine in the cache: its file, its size in bytes, and when it was last used (Unix)."""

    path: Path
    size: int
    used: float


def cache_folder() -> Path:
    """`SHIP_DEPLOY_CACHE`, or `ship-deploy` where the user's caches are (`~/.cache`).

    Raises:
        UserError: none is named, and the user has no home, as in many containers.
    """
    if chosen := os.environ.get("SHIP_DEPLOY_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ship-deploy"
    except RuntimeError as error:
        raise UserError(
            "this user has no home for the cache of engines; set SHIP_DEPLOY_CACHE to a folder"
        ) from error


def build_cached(artifact: Artifact, recipe: Recipe, device: int = 0) -> Path:
    """The engine for a recipe: from the cache, or built into it.

    Processes and threads that ask for one engine at a time wait for the first of them. What lies in
    the cache and is damaged, or not of this recipe, is built anew. If the engines are more than
    `LIMIT` then, those that were not used for longest are removed.

    An engine is code that runs, so nobody else may have put it there: folder and files have to be
    this user's, or root's, and others must not be able to write to them.

    Returns:
        The engine's path, its passport beside it; for `read_engine`.

    Raises:
        UserError: it cannot be built, or the cache cannot be written to, or is not safe.
    """
    folder = cache_folder()
    with suppress(OSError):  # what stands in the way, `make_folder` says
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    if folder.exists():
        _check_folder(folder)
    make_folder(folder)
    path = folder / f"{artifact.path.stem}-{recipe.key[:16]}.engine"
    files = path, passport_path(path)
    with _locked(path.with_suffix(".lock")):
        for file in filter(os.path.lexists, files):
            _check(file, file.lstat(), stat.S_ISREG)
        try:
            if read_whole(path)[1].recipe == recipe:
                os.utime(path)  # by it, the longest unused is known
                return path
        except UserError:
            pass  # there is none, or no good one
        write_engine(path, build_engine(artifact, recipe, device).engine, recipe)
        for file in files:
            file.chmod(0o600)
    _trim(path)
    return path


def list_cached() -> list[Cached]:
    """The engines in the cache, the last used first.

    Raises:
        UserError: the cache is not safe, see `build_cached`, or cannot be read.
    """
    folder = cache_folder()
    if not folder.exists():
        return []
    _check_folder(folder)
    found = []
    try:
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # another process removed it
                status = path.lstat()
                if _ENGINE.fullmatch(path.name) and stat.S_ISREG(status.st_mode):
                    found.append(Cached(path, status.st_size, status.st_mtime))
    except OSError as error:
        raise UserError(f"{folder}: cannot read it ({error.strerror})") from error
    return sorted(found, key=lambda engine: (-engine.used, engine.path))


def remove_cached(path: Path) -> bool:
    """Remove an engine from the cache, unless another process is building or reading it.

    Programs that run it go on: they hold all of it in memory.

    Returns:
        Whether it was removed.

    Raises:
        UserError: it cannot be.
    """
    lock = path.with_suffix(".lock")
    try:
        with _locked(lock, wait=False):
            for file in (passport_path(path), path, lock):
                file.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    except OSError as error:
        raise UserError(f"{path}: cannot remove it ({error.strerror})") from error
    return True


def _trim(kept: Path) -> None:
    """Remove engines until the rest is within the limit; `kept`, the newest, stays."""
    engines = list_cached()
    total = sum(engine.size for engine in engines)
    for engine in reversed(engines):
        if total <= LIMIT:
            return
        if engine.path != kept and remove_cached(engine.path):
            _log.info("removed %s, not used for longest", engine.path)
            total -= engine.size


def _check_folder(folder: Path) -> None:
    _check(folder, folder.stat(), stat.S_ISDIR)


def _check(path: Path, found: os.stat_result, is_right: Callable[[int], bool]) -> None:
    """Raise a UserError unless it is of a kind, ours or root's, and nobody else may write to it."""
    if not is_right(found.st_mode):
        raise UserError(f"{path}: not what a cache of engines holds; remove it")
    if found.st_uid not in (os.geteuid(), 0):
        raise UserError(
            f"{path}: belongs to another user, whose engines are not run; remove it, or set "
            "SHIP_DEPLOY_CACHE to a folder of your own"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UserError(f"{path}: others may write to it; make it safe: chmod go-w {path}")


@contextmanager
def _locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold a file's lock; the kernel lets go of it if the process dies. The file stays.

    Raises:
        UserError: there is something else in its place.
        BlockingIOError: another process holds it, and this one does not wait.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        try:
            file = os.fdopen(os.open(path, flags, 0o600), "rb")
        except OSError as error:
            raise UserError(f"{path}: cannot lock it ({error.strerror})") from error
        with file:
            _check(path, os.fstat(file.fileno()), stat.S_ISREG)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                _log.warning("waiting for another process that builds this engine (%s)", path)
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:  # else it was removed while this one waited
                yield
                return
