"""Jobs done by processes of one thread each, which end together."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import TypeVar

import cv2
import torch

from ship_deploy.errors import UserError
from ship_deploy.processors import usable_processors

Job = TypeVar("Job")
Result = TypeVar("Result")
_stop: Event | None = None


def work(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None
) -> Iterator[Result]:
    """Results of the jobs as they come.

    Args:
        function: of a module, which other processes can import.
        jobs: its arguments.
        workers: processes; as many as there are cores if None.

    Raises:
        UserError: a process was killed.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    count = workers or usable_processors()
    pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(stop,))
    try:
        for future in as_completed([pool.submit(function, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker was killed, perhaps for memory; run again with fewer --workers to go on"
        ) from error
    finally:
        stop.set()  # after an interrupt, workers end with the picture at hand
        pool.shutdown(cancel_futures=True)


def stopped() -> bool:
    """Whether this process should end its job early."""
    return _stop is not None and _stop.is_set()


def _start(stop: Event) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's business, which sets `stop`
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
