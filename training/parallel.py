"""Work on many files, on all cores; and which process of a run speaks for the others."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.progress import Progress

from ship_deploy.processors import usable_processors

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 64  # results that may wait; a full data set of them would not fit into memory


def in_order(
    function: Callable[[Item], Result], items: Sequence[Item], description: str
) -> Iterator[Result]:
    """function(item) of every item, in order, computed in threads: OpenCV and NumPy free the GIL.

    An exception of the function is raised in its place; what has not begun by then never does.
    """
    pool = ThreadPoolExecutor(usable_processors())
    try:
        with Progress(transient=True, disable=not is_first_process()) as progress:
            task = progress.add_task(description, total=len(items))
            for start in range(0, len(items), AHEAD):
                for result in pool.map(function, items[start : start + AHEAD]):
                    yield result
                    progress.advance(task)
    finally:
        pool.shutdown(cancel_futures=True)


def is_first_process() -> bool:
    """Whether this process is alone or the first of its run, as torchrun and Lightning number."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"
