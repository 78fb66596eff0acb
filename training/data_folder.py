"""Data that is no part of the repository: one environment variable says where it lies."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

VARIABLE = "SHIP_DEPLOY_DATA"


def data_folder() -> Path | None:
    """The folder that holds `data/`, `golden/`, `checkpoints/`; None if there is no variable."""
    text = os.environ.get(VARIABLE)
    return Path(text).resolve() if text else None


def _expand(path: object) -> object:
    name = re.match(r"\$\{(\w*)\}", str(path))
    if not name:
        return path
    if name[1] != VARIABLE:
        raise PydanticCustomError("variable", f"unknown variable {name[1]}, expected {VARIABLE}")
    folder = data_folder()
    if folder is None:
        raise PydanticCustomError("variable", f"the environment variable {VARIABLE} is not set")
    return f"{folder}{str(path)[name.end() :]}"


def collapse(path: Path) -> str:
    """As a checkpoint names a path."""
    folder = data_folder()
    if folder is None or not path.is_relative_to(folder):
        return str(path)
    return f"${{{VARIABLE}}}/{path.relative_to(folder)}"


DataPath = Annotated[
    Path, BeforeValidator(_expand), PlainSerializer(collapse, str, when_used="json")
]
"""A path in a config. `${SHIP_DEPLOY_DATA}` at its beginning is expanded when it is read.

In a checkpoint it stands there again, which so names no folder of this machine."""
