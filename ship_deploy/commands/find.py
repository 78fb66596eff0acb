"""`ship-deploy find`: where a recording shows a time."""

from datetime import datetime, timezone
from pathlib import Path

from ship_deploy.errors import UserError
from ship_deploy.streams.recordings.index import Part, read_index
from ship_deploy.streams.recordings.naming import index_path


def find(recording: Path, time: str) -> None:
    """Print the files that show a time, and after how many seconds.

    Args:
        recording: what was given to `stream -o`, its folder, or its index.
        time: ISO 8601; local time if it has no offset from UTC.

    Raises:
        UserError: no time, no recording, or nothing was recorded then: what is nearest to it.
    """
    parts = sorted(_parts(recording), key=lambda part: part.begin)
    found = False
    moments = _moments(time)
    for part in parts:
        for moment in moments:
            if part.begin <= moment < part.until:
                found = True
                print(f"{part.path}\t{moment - part.begin:.3f}")
    if not found:
        raise UserError(f"{recording}: nothing was recorded at {time}{_nearest(parts, moments[0])}")


def _parts(recording: Path) -> list[Part]:
    if recording.is_dir():
        indexes = sorted(recording.glob("*.jsonl"))
    elif recording.suffix == ".jsonl":
        indexes = [recording]
    else:
        indexes = [index_path(recording)]
    if not indexes or not indexes[0].exists():
        raise UserError(f"{recording}: no recording, which has an index (.jsonl)")
    return [part for index in indexes for part in read_index(index)]


def _moments(text: str) -> list[float]:
    """Seconds since 1970; a local time that comes twice, in autumn, is two moments."""
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z") + "+00:00" * text.endswith("Z"))
    except ValueError as error:
        raise UserError(
            f"{text!r} is no time, expected such as 2026-11-25T14:05 or 2026-11-25T14:05:30+01:00"
        ) from error
    if moment.tzinfo:
        return [moment.timestamp()]
    return sorted({moment.replace(fold=fold).timestamp() for fold in (0, 1)})


def _nearest(parts: list[Part], moment: float) -> str:
    said = ""
    before = [part for part in parts if part.begin <= moment]
    after = [part for part in parts if part.begin > moment]
    if before:
        last = max(before, key=lambda part: part.until)
        said += f"; {last.path.name} ends at {_local(last.until)}"
    if after:
        said += f"; {after[0].path.name} begins at {_local(after[0].begin)}"
    return said


def _local(moment: float) -> str:
    when = datetime.fromtimestamp(moment, timezone.utc).astimezone()
    return when.isoformat(timespec="seconds")
