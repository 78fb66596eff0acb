"""What became of every item: a Parquet file, which is in parts while a job runs."""

import re
import time
from functools import cache
from pathlib import Path
from typing import Any

from ship_deploy.adapters.batch.places import is_remote, reached, write
from ship_deploy.errors import UserError

NAME = "manifest.parquet"
PARTS = "manifest.parts"
SOON, SHARE = 2.0, 0.01  # seconds between parts at first; later, of the time that has passed


@cache
def schema() -> Any:
    """The columns: those of `worker.Row`."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    kinds = {
        **{"name": text, "inputs": texts, "digests": texts, "output": text, "output_digest": text},
        **{"frames": pa.int64(), "model": text, "options": text, "engine": text, "worker": text},
        **{"seconds": pa.float64(), "finished": pa.timestamp("us", "UTC")},
        **{"note": text, "error": text},
    }
    return pa.schema(kinds.items())


class Manifest:
    """The manifest at a target. One row a name: the latest.

    A job that is killed loses what it has heard of since the last part, at most two seconds or a
    hundredth of the time it ran; those items are done again, with the same result.

    Args:
        target: folder of the outputs.

    Attributes:
        path: of the file.
    """

    def __init__(self, target: Path) -> None:
        self.path, self._folder = target / NAME, target / PARTS
        self._rows: list[Any] = []
        self._number = 0
        self._began = self._written = time.monotonic()

    def read(self) -> Any:
        """All rows, as a table of `schema`.

        Raises:
            UserError: it cannot be read.
        """
        import pyarrow as pa
        from pyarrow import parquet

        with reached(self.path):
            files = [*([self.path] if self.path.exists() else []), *self._parts()]
            tables = []
            for path in files:
                try:
                    with path.open("rb") as file:
                        tables.append(parquet.read_table(file).cast(schema()))
                except (pa.ArrowInvalid, pa.ArrowKeyError, ValueError) as error:
                    raise UserError(f"{path}: not a manifest of ship-deploy ({error})") from error
        return _latest(pa.concat_tables(tables) if tables else schema().empty_table())

    def begin(self) -> None:
        """Begin a part list after those that are there, with an empty one, to see that it can be.

        Raises:
            UserError: it cannot be written.
        """
        with reached(self.path):
            known = [int(path.stem) for path in self._parts()]
        self._number = max(known, default=0)
        self._write(schema().empty_table())

    def add(self, rows: Any) -> None:
        """Take rows, a table of `schema`; now and then, write what was taken."""
        self._rows.append(rows)
        now = time.monotonic()
        if now - self._written > max(SOON, SHARE * (now - self._began)):
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._rows:
            import pyarrow as pa

            self._write(pa.concat_tables(self._rows))
            self._rows = []
        self._written = time.monotonic()

    def finish(self) -> Any:
        """Make one file of all, sorted by name, and return it as a table."""
        self.flush()
        rows = self.read().sort_by("name")
        write(self.path, _encode(rows))
        with reached(self.path):
            for path in self._parts():
                path.unlink()
            if not is_remote(self._folder):
                self._folder.rmdir()
        return rows

    def _parts(self) -> list[Path]:
        if not self._folder.exists():
            return []
        found = [p for p in self._folder.iterdir() if re.fullmatch(r"\d+\.parquet", p.name)]
        return sorted(found, key=lambda path: int(path.stem))

    def _write(self, rows: Any) -> None:
        self._number += 1
        write(self._folder / f"{self._number:06}.parquet", _encode(rows))


def _encode(rows: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _latest(rows: Any) -> Any:
    """The last row of each name."""
    import pyarrow as pa
    from pyarrow import compute

    numbered = rows.select(["name"]).append_column("number", pa.array(range(len(rows)), pa.int64()))
    last = numbered.group_by("name").aggregate([("number", "max")])["number_max"]
    return rows.take(last.take(compute.sort_indices(last)))
