"""What the files of a recording are called, and when the next one begins."""

import math
import re
from datetime import datetime
from pathlib import Path

from ship_deploy.errors import UserError

DIRECTIVES = "YmdHMSyjBbAaVGuzZ%"
"""Of strftime: what may follow a percent sign."""
STAMP = "-%Y%m%d-%H%M%S"  # what a name gets that has none of these


def check_pattern(path: Path) -> None:
    """Check what follows every percent sign of a path.

    Raises:
        UserError: something else than one of `DIRECTIVES`.
    """
    for match in re.finditer(r"%(.?)", str(path), re.DOTALL):
        if match[1] not in DIRECTIVES or not match[1]:
            raise UserError(
                f"{path}: {match[0]} stands for no date or time (such as %Y, %m, %d, %H, %M, %S); "
                "write %% for a percent sign"
            )


def timed(path: Path, segments: bool) -> Path:
    """The pattern of the files' names: with the time at its end if it has none and it needs it."""
    if segments and not re.search(r"%[^%]", str(path)):
        return path.with_name(f"{path.stem}{STAMP}{path.suffix}")
    return path


def expand(pattern: Path, moment: float) -> Path:
    """The name for a moment, in seconds since 1970, in local time."""
    return Path(datetime.fromtimestamp(moment).astimezone().strftime(str(pattern)))


def index_path(pattern: Path) -> Path:
    """Where the index of a recording lies: in the first folder whose name has no time in it.

    "night.mp4" has "night.jsonl", "rec/%Y-%m/cam-%H%M.mp4" has "rec/cam.jsonl", and a name of
    nothing but times has "recording.jsonl".
    """
    folder = pattern.parent
    while "%" in str(folder):
        folder = folder.parent
    stem = re.sub(r"%[^%].*", "", pattern.stem, flags=re.DOTALL).rstrip("-_. ")
    return folder / f"{stem.replace('%%', '%') or 'recording'}.jsonl"


def next_boundary(moment: float, segment: float) -> float:
    """When a segment that begins at a moment ends, seconds since 1970.

    Segments of ten minutes end at 14:10:00, 14:20:00 and so on, in local time.
    """
    offset = datetime.fromtimestamp(moment).astimezone().utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    return (math.floor((moment + shift) / segment) + 1) * segment - shift
