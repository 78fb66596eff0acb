"""The fused stream in the background of a robot's process, beside its own loop.

Threads. Two of the pipeline's own threads wait for each camera and take no time to speak of. What
computes is the thread that fuses, and the network's pool: `Fuser(threads=N)`. To keep them off the
cores of a control loop, pin this thread before the `Fuser` is made, since a thread hands its
cores on to those it starts:

    os.sched_setaffinity(0, {2, 3})  # in the thread that makes the Fuser; 0 is the calling thread

Memory. At most `length` frames a side wait in the pipeline, and one result waits here: with two
cameras of 1080x1920, 8 x (6.2 + 2.1) MB. To have the kernel hold the process to a bound, start it
as `systemd-run --user --scope -p MemoryMax=2G python ...`. glibc keeps freed memory for each
thread; `MALLOC_ARENA_MAX=2` in the environment makes that less.
"""

import os
import threading
from collections.abc import Callable

from ship_deploy import Fuser
from ship_deploy.streams import Pipeline, Result
from ship_deploy.streams.sources import Source


class FusedCamera:
    """Fuses in a thread of its own; `newest` never waits for a frame.

    Args:
        visible: from `find_source`.
        infrared: from `find_source`.
        make_fuser: called in the thread that fuses.
        cores: the cores for fusing; all if not given.
    """

    def __init__(
        self,
        visible: Source,
        infrared: Source,
        make_fuser: Callable[[], Callable] = Fuser,
        cores: set[int] | None = None,
    ) -> None:
        self._make_fuser, self._cores = make_fuser, cores
        self._pipeline = Pipeline(visible, infrared, lambda *pair: self._fuser(*pair))
        self._newest: Result | None = None
        self._thread = threading.Thread(target=self._run, name="fuse", daemon=True)
        self.error: Exception | None = None

    def __enter__(self) -> "FusedCamera":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipeline.stop()
        self._thread.join()

    def newest(self) -> Result | None:
        """The last result, or None before the first; its `time` says how old it is."""
        if self.error:
            raise self.error
        return self._newest

    def _run(self) -> None:
        try:
            if self._cores:
                os.sched_setaffinity(0, self._cores)
            self._fuser = self._make_fuser()
            with self._pipeline:
                for result in self._pipeline:
                    self._newest = result
        except Exception as error:
            self.error = error
