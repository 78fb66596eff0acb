"""Room for the next file: the oldest ones of a recording are removed."""

import logging
from dataclasses import dataclass

from ship_deploy.streams.recordings.index import Index, Part

_log = logging.getLogger("ship_deploy.streams")


@dataclass(frozen=True)
class Keep:
    """How much of a recording is kept.

    Attributes:
        age: seconds since the end of a file after which it is removed; None for ever.
        size: bytes of all files together, of which the oldest are removed; None without limit.
    """

    age: float | None = None
    size: int | None = None

    def tidy(self, index: Index, now: float) -> None:
        """Remove what is too old or too much, before a file is begun.

        The file to come is taken to be as large as the one before. Only files that the index
        names are touched, and only those that have the size that they were closed with.

        Args:
            index: of the recording.
            now: seconds since 1970.
        """
        parts = sorted(index.parts.values(), key=lambda part: part.begin)
        sizes = [part.bytes or 0 for part in parts]
        total = sum(sizes) + (sizes[-1] if sizes else 0)
        for part, size in zip(parts, sizes, strict=True):
            old = self.age is not None and part.end is not None and part.end < now - self.age
            if old or (self.size is not None and total > self.size):
                total -= size
                _remove(index, part, "too old" if old else "room for others")


def _remove(index: Index, part: Part, why: str) -> None:
    try:
        if part.path.is_symlink() or part.path.stat().st_size != part.bytes:
            why = "is not what was written; left alone"
        else:
            part.path.unlink()
    except FileNotFoundError:
        why = "is gone"
    except OSError as error:
        _log.warning("%s: cannot be removed (%s)", part.path, error.strerror)
        return
    index.remove(part, why)
    said = {"event": "removed", "path": str(part.path), "why": why}
    _log.info("%s: removed: %s" if "left" not in why else "%s: %s", part.path, why, extra=said)
