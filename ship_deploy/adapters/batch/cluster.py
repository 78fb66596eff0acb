"""Items through the workers of a Ray cluster, by Ray Data: each gives one row, whatever dies."""

import contextlib
import logging
import math
import os
import signal
import socket
import threading
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from ship_deploy.adapters.batch.archive import Item
from ship_deploy.adapters.batch.manifest import schema
from ship_deploy.adapters.batch.worker import Job, SetUpError, Worker, missed
from ship_deploy.errors import UserError, how_to_install

BLOCK = 16  # items that a worker is given at a time, at most; and of very many, ...
BLOCKS = 10_000  # ... no more blocks than this, which the head of the cluster keeps account of
ROUNDS = 4  # blocks a worker, at least, so that all end at about the same time
RETRIES = 3  # of a block whose worker died; then its items are tried alone
STARTS = 3  # of a local cluster, which may take longer than Ray's 30 s on a busy machine
PATIENCE = 60.0  # seconds in which Ray's threads stop
ANSWER = 10.0  # seconds in which the head of a cluster answers
MEMORY = 128 << 20  # bytes of Ray's object store on this machine: it holds names and rows


class Cluster:
    """A Ray cluster: a local one that ends with this, or one that is there.

    Args:
        address: of its head, such as "10.0.0.1:6379", or "auto" on one of its machines; None for
            a local one.

    Attributes:
        cpus: that it has.
        gpus: the same.

    Raises:
        UserError: the extra `ray` is not installed, or no cluster answers.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to anyone
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of what it writes in C++
        if address not in (None, "auto"):
            _check_address(address)
        try:
            import ray.data  # noqa: F401
        except ImportError as error:
            raise UserError(f"batch needs {error.name}; {how_to_install('ray')}") from error

    def __enter__(self) -> "Cluster":
        import ray

        cores = len(os.sched_getaffinity(0))
        local = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": MEMORY}
        with _handlers_kept(), _nothing_said():
            for more in reversed(range(1 if self._address else STARTS)):
                try:
                    ray.init(
                        address=self._address or "local",
                        log_to_driver=False,
                        logging_level=logging.CRITICAL,
                        **({} if self._address else local),
                    )
                    break
                except Exception as error:  # of many kinds, one of them Exception itself
                    ray.shutdown()
                    said = str(error).strip().split("\n")[0]
                    if not more:
                        what = self._address or "Ray"
                        raise UserError(f"{what}: no cluster ({said})") from error
        found = ray.cluster_resources()
        self.cpus, self.gpus = int(found.get("CPU", 0)), int(found.get("GPU", 0))
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        with _handlers_kept():
            ray.shutdown()

    def workers(self, job: Job, most: int | None = None) -> int:
        """How many workers there can be for a job; at most so many, if that is said."""
        each = job.threads or 1
        found = self.cpus // each if job.device == "cpu" else min(self.gpus, self.cpus // each)
        if not found:
            what = f"{each} CPUs" if job.device == "cpu" else "GPU"
            raise UserError(f"the cluster has no {what} for a worker")
        return min(most or found, found)

    def fuse(
        self, job: Job, items: Sequence[Item], earlier: Any, workers: int
    ) -> Generator[tuple[Any, int], None, None]:
        """Fuse items; for each, there is one row.

        A block whose worker dies is given to another one, three times; then each of its items is
        tried alone, so that one that kills its worker takes no other with it.

        Args:
            job: what is the same for all.
            items: the items.
            earlier: rows of an earlier run, a table of `schema`; see `Worker.work`.
            workers: at most.

        Yields:
            Rows as they come, a table of `schema`, and how many of them were done earlier.

        Raises:
            UserError: a worker cannot be set up, or the cluster is gone.
        """
        import numpy as np

        table = _table(items, earlier)
        done = np.zeros(len(items), np.bool_)
        size = 1 if job.topics else block_size(len(items), workers)
        for block in (size, 1):
            rest = table if block == size else table.take(np.flatnonzero(~done))
            with contextlib.closing(_stream(job, rest, block, workers)) as stream:
                for rows in stream:
                    numbers = rows["number"].to_numpy()
                    if fatal := next(filter(None, rows["fatal"].to_pylist()), ""):
                        raise UserError(fatal)
                    rows = rows.filter(~done[numbers])
                    done[numbers] = True
                    yield rows.select(schema().names), sum(rows["again"].to_pylist())
            if done.all():
                return
        lost = [missed(job, items[int(n)]) for n in np.flatnonzero(~done)]
        yield _rows(lost), 0


class _Actor:
    """A worker as Ray Data calls it: Arrow in, Arrow out."""

    def __init__(self, job: Job) -> None:
        import cv2

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver tells what to do
        cv2.setNumThreads(job.threads or 1)
        self._worker = Worker(job)

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        items = table.to_pylist()
        given = [(Item(i["name"], tuple(i["inputs"]), i["problem"]), i["earlier"]) for i in items]
        fatal = ""
        try:
            rows = self._worker.work(given)
        except SetUpError as error:
            fatal, rows = str(error), [missed(self._worker.job, item) for item, _ in given]
        again = [row is known for row, (_, known) in zip(rows, given, strict=True)]
        return (
            _rows(rows)
            .append_column("number", table["number"])
            .append_column("again", pa.array(again, pa.bool_()))
            .append_column("fatal", pa.array([fatal] * len(rows), pa.string()))
        )


def _stream(job: Job, table: Any, block: int, workers: int) -> Generator[Any, None, None]:
    """What Ray Data makes of a table of items, block by block, but for those that failed.

    Close it before the cluster: a thread of Ray's that asks for a cluster that has ended ends this
    process, without a word.
    """
    from ray.data import ActorPoolStrategy, DataContext, from_arrow
    from ray.exceptions import RayError

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # they are tried again, alone
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    gpu = job.device != "cpu"
    blocks = [table.slice(start, block) for start in range(0, len(table), block)]
    workers = min(workers, len(blocks))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is no other way to say the last two
            data = from_arrow(blocks).map_batches(
                _Actor,
                fn_constructor_args=(job,),
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(
                    min_size=1,
                    initial_size=workers,
                    max_size=workers,
                    # What waits for a worker is lost with it, so alone is alone.
                    max_tasks_in_flight_per_actor=1 if block == 1 else None,
                ),
                num_cpus=job.threads or 1,
                num_gpus=1 if gpu else 0,
                max_restarts=-1,
                max_task_retries=RETRIES,
            )
        yield from data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    except RayError as error:
        said = str(getattr(error, "cause", None) or error).strip().splitlines()
        raise UserError(f"Ray: {said[-1] if said else type(error).__name__}") from error
    finally:
        for thread in threading.enumerate():
            if thread.name == "iter_threaded":  # Ray tells it to stop, and does not wait
                thread.join(PATIENCE)


def _check_address(address: str) -> None:
    """Raise a UserError if nobody listens; Ray would try for ever."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise UserError(
            f"{address}: expected HOST:PORT of the cluster's head, on one of its machines; from "
            "elsewhere, ray job submit runs the command there"
        )
    try:
        socket.create_connection((host, int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"{address}: no cluster answers ({error})") from error


def block_size(items: int, workers: int) -> int:
    """Items that a worker is given at a time."""
    fair = math.ceil(items / (ROUNDS * workers))
    return max(1, min(BLOCK, fair), items // BLOCKS)


def _table(items: Sequence[Item], earlier: Any) -> Any:
    """Items with their numbers and with their earlier rows, as Arrow."""
    import pyarrow as pa
    from pyarrow import compute

    names = pa.array([item.name for item in items], pa.string())
    found = compute.index_in(names, earlier["name"].combine_chunks())
    known = earlier.to_struct_array().combine_chunks().take(found)
    return pa.table(
        {
            "number": pa.array(range(len(items)), pa.int64()),
            "name": names,
            "inputs": pa.array([item.inputs for item in items], pa.list_(pa.string())),
            "problem": pa.array([item.problem for item in items], pa.string()),
            "earlier": known,
        }
    )


def _rows(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema())


@contextlib.contextmanager
def _nothing_said() -> Iterator[None]:
    """What Ray's C++ part writes on standard error at its start, too, is not for a person."""
    known = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(known, 2)
        os.close(known)


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray sets handlers of signals of its own; ours end a command as all others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
