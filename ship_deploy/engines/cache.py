"""Engines that were built without being asked for, kept so that each is built once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ship_deploy.artifact import Artifact
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.passport import read_whole, write_engine
from ship_deploy.engines.recipe import Recipe
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder


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
    the cache and is damaged, or not of this recipe, is built anew.

    Returns:
        The engine's path, its passport beside it; for `read_engine`.

    Raises:
        UserError: it cannot be built, or the cache cannot be written to.
    """
    folder = cache_folder()
    make_folder(folder)
    path = folder / f"{artifact.path.stem}-{recipe.key[:16]}.engine"
    with _locked(path.with_suffix(".lock")):
        try:
            if read_whole(path)[1].recipe == recipe:
                return path
        except UserError:
            pass  # there is none, or no good one
        write_engine(path, build_engine(artifact, recipe, device).engine, recipe)
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; the kernel lets go of it if the process dies. The file stays."""
    try:
        file = path.open("w")
    except OSError as error:
        raise UserError(f"{path}: cannot lock it ({error.strerror})") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
