"""CUDA through PyCUDA, for pipelines that live in it. It has no CUDA graphs."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy.cuda import Memory, Stream
from ship_deploy.cuda.faults import HELP, failure
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING; PyCUDA has no name for it


class PyCuda:
    """See `ship_deploy.cuda.Cuda`."""

    name = "pycuda"
    capture = None

    def __init__(self, device: int) -> None:
        try:
            from pycuda import driver
        except ImportError as error:
            raise UserError(f"PyCUDA does not load: pip install pycuda ({error})") from error
        self._driver: Any = driver
        with self._in_one_line():
            driver.init()
            gpu, kind = driver.Device(device), driver.device_attribute
            self.unified = all(
                gpu.get_attribute(attribute)
                for attribute in (kind.INTEGRATED, kind.CAN_MAP_HOST_MEMORY)
            )
            self._context = _context(gpu)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the GPU's primary context that of this thread."""
        with self._in_one_line():
            self._context.push()
            try:
                yield
            finally:
                with suppress(self._driver.Error):  # the status of what has failed before
                    self._context.pop()

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise _failure(error) from error

    def stream(self) -> Stream:
        """A new stream."""
        stream: Stream = self._driver.Stream(_NON_BLOCKING)
        return stream

    def memory(self, size: int) -> Memory:
        """Device memory."""
        memory: Memory = self._driver.mem_alloc(size)
        return memory

    def pinned(self, shape: tuple[int, ...]) -> Frames:
        """An array in page-locked host memory."""
        mapped = self._driver.host_alloc_flags.DEVICEMAP
        array: Frames = self._driver.pagelocked_empty(shape, np.uint8, mem_flags=mapped)
        return array

    def release_pinned(self, array: Frames) -> None:
        """Give page-locked memory back."""
        array.base.free()  # type: ignore[union-attr]

    def mapped(self, array: Frames) -> int:
        """Where the GPU sees a page-locked array."""
        return int(array.base.get_device_pointer())  # type: ignore[union-attr]

    def upload(self, array: NDArray[Any], address: int, stream: Stream) -> None:
        """Enqueue a copy to the device."""
        self._driver.memcpy_htod_async(address, array, stream)

    def download(self, address: int, array: NDArray[Any], stream: Stream) -> None:
        """Enqueue a copy to the host."""
        self._driver.memcpy_dtoh_async(array, address, stream)


def _failure(error: Exception) -> UserError:
    """In our words; PyCUDA tells the status in CUDA's words only."""
    from cuda.bindings import driver

    said = " ".join(str(error).split())
    words = {int(s): driver.cuGetErrorString(s)[1] for s in driver.CUresult if int(s) in HELP}
    found = (s for s, reason in words.items() if reason and reason.decode() in said)
    return failure(next(found, 0), f"CUDA through PyCUDA: {said}")


@cache
def _context(device: Any) -> Any:
    # One object for all threads, for ever: PyCUDA knows contexts by it, and letting go of one
    # leaves it on the thread's stack.
    return device.retain_primary_context()
