"""`ship-deploy batch`: an archive in, on many cores and machines."""

import contextlib
import os
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ship_deploy import console
from ship_deploy.adapters.batch.archive import Item, find_items
from ship_deploy.adapters.batch.cluster import Cluster
from ship_deploy.adapters.batch.manifest import Manifest
from ship_deploy.adapters.batch.places import clear, find_place, is_remote, prepare_target
from ship_deploy.adapters.batch.worker import Job, digest_model
from ship_deploy.errors import UserError
from ship_deploy.frames import PERCENTILES, PIXELS, check_percentiles
from ship_deploy.geometry.calibration import read_calibration
from ship_deploy.geometry.shape import Crop
from ship_deploy.models import find_model


def fuse_archive(
    source: str,
    infrared: str | None,
    output: str,
    *,
    topics: tuple[str, str, str] | None = None,
    address: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    resume: bool = False,
    calibration: Path | None = None,
    crop_infrared: str | None = None,
    model: str | PathLike[str] | None = None,
    backend: str = "auto",
    device: str = "auto",
    signed_by: Path | None = None,
    percentiles: tuple[float, float] = PERCENTILES,
) -> None:
    """Fuse all pairs or recordings of an archive, and write what became of each.

    Args:
        source: see `find_items`.
        infrared: the same.
        output: folder, or address of one in an object store.
        topics: of recordings: of visible, infrared and fused images; None for pairs.
        address: see `Cluster`.
        workers: processes that fuse; None for as many as there are cores or GPUs.
        threads: of each, on a CPU; None for 1.
        resume: whether to go on with an earlier run.
        calibration: from `ship-deploy calibrate`; None if the images are aligned.
        crop_infrared: the part of each infrared image that is used, see `Crop`; None for all.
        model: see `Fuser`; so are those that follow.
        backend: the same.
        device: "auto", "cpu" or "cuda".
        signed_by: the same.
        percentiles: the same.

    Raises:
        UserError: the job cannot begin or go on, and why; or how many items could not be fused.
    """
    check_percentiles(percentiles)
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device is {device!r}, expected auto, cpu or cuda; Ray assigns the GPUs")
    if crop_infrared is not None:
        Crop(crop_infrared)
    path = find_model(model)
    job = Job(
        str(find_place(output)),
        None if model is None else str(path),
        digest_model(path, signed_by),
        backend=backend,
        signed_by=signed_by and signed_by.absolute(),
        percentiles=percentiles,
        calibration=None if calibration is None else read_calibration(calibration),
        crop=crop_infrared,
        topics=topics,
        pixels=os.environ.get(PIXELS),
    )
    cluster = Cluster(address)
    with console.ERR.status("Looking for what there is to fuse"):
        items = find_items(source, infrared, bags=topics is not None)
        manifest = _begin(job.target, items, resume)
    done = _Count()
    with contextlib.ExitStack() as stack:
        # On standard output, Ray tells of processes that died; what they did is done again.
        nowhere = stack.enter_context(Path(os.devnull).open("w"))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        console.ERR.print(f"Joining Ray at {address}" if address else "Starting Ray")
        stack.enter_context(cluster)
        gpu = device == "cuda" or (device == "auto" and cluster.gpus > 0)
        job = replace(job, device="cuda" if gpu else "cpu", threads=None if gpu else threads or 1)
        number = cluster.workers(job, workers)
        where = f"{number} {'GPU' if gpu else 'CPU'} worker{'s' * (number > 1)}"
        stack.callback(manifest.finish)
        progress = stack.enter_context(_progress())
        bar = progress.add_task(f"Fusing on {where}", total=len(items), failed="")
        stream = cluster.fuse(job, items, manifest.read(), number)
        for rows, again in stack.enter_context(contextlib.closing(stream)):
            manifest.add(rows)
            done.count(rows, again)
            progress.update(bar, completed=done.all, failed=done.said)
    _clear(job.target, items)
    what = "recordings" if topics else "pairs"
    earlier = f"; {done.again} were done earlier" if done.again else ""
    console.ERR.print(f"Fused {done.fused} of {len(items)} {what} on {where}{earlier}")
    print(manifest.path)
    if done.failed:
        raise UserError(
            f"{done.failed} of {len(items)} {what} could not be fused; the column error of "
            f"{manifest.path} says why"
        )


@dataclass
class _Count:
    """What became of the items so far."""

    all: int = 0
    again: int = 0
    failed: int = 0

    def count(self, rows: Any, again: int) -> None:
        self.all += len(rows)
        self.again += again
        self.failed += sum(map(bool, rows["error"].to_pylist()))

    @property
    def fused(self) -> int:
        return self.all - self.again - self.failed

    @property
    def said(self) -> str:
        return f"{self.failed} failed" if self.failed else ""


def _begin(target: str, items: list[Item], resume: bool) -> Manifest:
    """The manifest at a target that can be written to."""
    place = find_place(target)
    manifest = Manifest(place)
    if not resume and len(manifest.read()):
        raise UserError(f"{manifest.path}: there is one already; go on with --resume")
    prepare_target(place)
    _clear(target, items)
    manifest.begin()
    return manifest


def _clear(target: str, items: list[Item]) -> None:
    """Remove what workers that were killed left half-written."""
    place = find_place(target)
    if not is_remote(place):
        for folder in {(place / item.name).parent for item in items}:
            clear(folder)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console.ERR,
    )
