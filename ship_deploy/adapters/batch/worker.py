"""What a worker does with items. Doing one again, elsewhere or at the same time, harms nothing."""

import contextlib
import json
import os
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeAlias

from ship_deploy.adapters.bags import check_installed
from ship_deploy.adapters.batch.archive import Item
from ship_deploy.adapters.batch.places import (
    digest,
    digest_at,
    fetch,
    find_place,
    put,
    reached,
    write,
)
from ship_deploy.artifact import VERSION, read_artifact
from ship_deploy.backends import is_engine
from ship_deploy.errors import UserError
from ship_deploy.frames import PERCENTILES, PIXELS, Frames
from ship_deploy.fuser import Fuser
from ship_deploy.geometry.calibration import Calibration
from ship_deploy.geometry.layer import Layer
from ship_deploy.geometry.shape import Crop
from ship_deploy.images import decode_infrared, decode_visible, encode, read_file
from ship_deploy.streams.preparation import Preparation
from ship_deploy.thermal import Thermal

AHEAD = 4  # pairs that are read, and as many that are written, while one is fused

Row: TypeAlias = dict[str, Any]  # of the manifest, see there
Pair: TypeAlias = tuple[Frames, Frames]


class SetUpError(UserError):
    """Nothing can be fused here, whatever the item is."""


@dataclass(frozen=True)
class Job:
    """What is the same for all items.

    Attributes:
        target: path or address of the folder for outputs.
        model: see `Fuser`; a path has to be the same on all machines.
        digest: of that model; another one under the same path is refused.
        backend: see `Fuser`; so are `device` to `percentiles`.
        calibration: None if the cameras are aligned.
        crop: part of each infrared frame that is used, see `Crop`; None for all.
        topics: of recordings: of visible, infrared and fused images; None for pairs.
        pixels: of the largest image that is decoded; None for the usual number.
        version: of ship-deploy; another one on a worker's machine is refused.
    """

    target: str
    model: str | None
    digest: str
    backend: str = "auto"
    device: str = "cpu"
    threads: int | None = 1
    signed_by: Path | None = None
    percentiles: tuple[float, float] = PERCENTILES
    calibration: Calibration | None = None
    crop: str | None = None
    topics: tuple[str, str, str] | None = None
    pixels: str | None = None
    version: str = VERSION

    @property
    def options(self) -> str:
        """What outputs depend on, beside inputs and model, as JSON."""
        found = {"calibration": repr(self.calibration), "topics": self.topics}
        found = {k: v for k, v in found.items() if v not in (None, "None")}
        said = {"percentiles": self.percentiles, "crop_infrared": self.crop, **found}
        return json.dumps({k: v for k, v in said.items() if v is not None})


def digest_model(path: Path, signed_by: Path | None) -> str:
    """What identifies a model or an engine: `Fuser.info.digest` where that file itself runs."""
    return digest(path) if is_engine(path) else read_artifact(path, signed_by).digest


class Worker:
    """Fuses items with one `Fuser`, which is made when the first one comes.

    Args:
        job: what to do.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._target = find_place(job.target)
        self._fuser: Fuser | None = None

    def work(self, items: Sequence[tuple[Item, Row | None]]) -> list[Row]:
        """Fuse items; what is wrong with one is in its row.

        Args:
            items: each with its row of an earlier run, or None. An item whose inputs, model,
                options and output are as they were then is not fused again.

        Returns:
            A row each; one of an earlier run is that same object.

        Raises:
            SetUpError: there can be no `Fuser` here.
        """
        fuser = self._set_up()
        if self.job.topics:
            return [self._recording(fuser, *item) for item in items]
        return list(self._pairs(fuser, items))

    def _set_up(self) -> Fuser:
        if self._fuser is None:
            job, host = self.job, socket.gethostname()
            if job.pixels:
                os.environ[PIXELS] = job.pixels
            if job.version != VERSION:
                raise SetUpError(f"{host}: has ship-deploy {VERSION}, the job {job.version}")
            try:
                if job.topics:
                    check_installed()
                self._fuser = Fuser(
                    job.model,
                    backend=job.backend,
                    device=job.device,
                    threads=job.threads,
                    signed_by=job.signed_by,
                )
                path = Path(self._fuser.info.model)
                if digest_model(path, job.signed_by) != job.digest:
                    raise UserError(f"{path}: another model than the job's")
            except UserError as error:
                raise SetUpError(f"{host}: {error}") from error
        return self._fuser

    def _pairs(self, fuser: Fuser, items: Sequence[tuple[Item, Row | None]]) -> Iterator[Row]:
        """Reads and writes beside fusing, a few pairs ahead."""
        crop = None if self.job.crop is None else Crop(self.job.crop)
        lay = Layer(self.job.calibration, crop, self.job.percentiles)
        with ThreadPoolExecutor(AHEAD) as pool:
            reading: deque[Future[tuple[Row, Pair | None]]] = deque()
            writing: deque[Future[Row]] = deque()
            waiting = iter(items)
            while True:
                while len(reading) < AHEAD and (item := next(waiting, None)):
                    reading.append(pool.submit(self._read, *item, lay))
                if not reading:
                    break
                row, pair = reading.popleft().result()
                fused = None
                if pair:
                    with _step(row):
                        fused = fuser(*pair)
                writing.append(pool.submit(self._write, row, fused))
                if len(writing) > AHEAD:
                    yield writing.popleft().result()
            for future in writing:
                yield future.result()

    def _read(self, item: Item, earlier: Row | None, lay: Layer) -> tuple[Row, Pair | None]:
        """The pair's row, and its frames; None if they are not to be fused."""
        row = self._begin(item)
        with _step(row):
            if item.problem:
                raise UserError(item.problem)
            places = [find_place(path) for path in item.inputs]
            contents = []
            for place in places:
                with reached(place):
                    contents.append(read_file(place))
            row["digests"] = [digest(content) for content in contents]
            if earlier and self._is_done(row, earlier):
                return earlier, None
            visible = decode_visible(places[0], contents[0])
            infrared = decode_infrared(places[1], contents[1])
            return row, (visible, lay(infrared, visible.shape[:2]))
        return row, None

    def _write(self, row: Row, fused: Frames | None) -> Row:
        if fused is not None:
            with _step(row):
                content = encode(Path(row["output"]), fused)
                write(find_place(row["output"]), content)
                row["output_digest"], row["frames"] = digest(content), 1
        return self._end(row)

    def _recording(self, fuser: Fuser, item: Item, earlier: Row | None) -> Row:
        """In a folder of its own: a worker that died cannot be in the way of the next one."""
        from ship_deploy.adapters.bags import Bag
        from ship_deploy.adapters.fused_bag import Topics, add_topic

        job, row = self.job, self._begin(item)
        with _step(row), tempfile.TemporaryDirectory(prefix="ship-deploy-") as folder:
            bag = Bag(fetch(find_place(item.inputs[0]), Path(folder)))
            row["digests"] = [digest(path) for path in bag.files]
            if earlier and self._is_done(row, earlier):
                return earlier
            crop = None if job.crop is None else Crop(job.crop)
            prepare = Preparation(Thermal(percentiles=job.percentiles), job.calibration, crop)
            topics = Topics(*job.topics or ())
            path = Path(folder, "fused", "fused.mcap")
            path.parent.mkdir()
            fused, _ = add_topic(bag, path, topics, fuser, prepare, job.options)
            put(path, find_place(row["output"]))
            row["output_digest"], row["frames"] = digest(path), fused.written
            row["note"] = bag.cut and "cut short; read up to its last whole message"
        return self._end(row)

    def _begin(self, item: Item) -> Row:
        suffix = "mcap" if self.job.topics else "png"
        return {
            "name": item.name,
            "inputs": list(item.inputs),
            "digests": [],
            "output": str(self._target / f"{item.name}.{suffix}"),
            "output_digest": "",
            "frames": 0,
            "model": self.job.digest,
            "options": self.job.options,
            "engine": "",
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            "seconds": 0.0,
            "finished": None,
            "note": "",
            "error": "",
        }

    def _is_done(self, row: Row, earlier: Row) -> bool:
        """Whether an earlier run did the same, and its output is as it left it."""
        keys = ("digests", "model", "options", "output")
        if earlier["error"] or any(earlier[key] != row[key] for key in keys):
            return False
        return digest_at(find_place(row["output"])) == str(earlier["output_digest"])

    def _end(self, row: Row) -> Row:
        if row["error"]:
            row["output"] = ""
        if row["finished"] is None and self._fuser:
            info = self._fuser.info
            row["engine"] = f"{info.backend} {info.device} {info.precision}"
            row["finished"] = datetime.now(timezone.utc)
        return row


def missed(job: Job, item: Item) -> Row:
    """The row of an item that no worker survived."""
    error = "every process that worked on it died; perhaps it needs more memory than there is"
    row = Worker(job)._begin(item)
    return {
        **row,
        "output": "",
        "worker": "",
        "error": error,
        "finished": datetime.now(timezone.utc),
    }


@contextlib.contextmanager
def _step(row: Row) -> Iterator[None]:
    """Part of the work on an item: its time is added to the row, and what goes wrong put there."""
    began = time.perf_counter()
    try:
        yield
    except Exception as error:  # such as a bug that shows with one picture of millions
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        row["error"] = " ".join(said.split())
    finally:
        row["seconds"] += time.perf_counter() - began
