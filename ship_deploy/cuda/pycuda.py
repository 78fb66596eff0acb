"""CUDA through PyCUDA, for pipelines that live in it. It has no CUDA graphs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy.cuda import Memory, Stream
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
        driver.init()
        self._context = _context(driver.Device(device))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the GPU's primary context that of this thread."""
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()
        except self._driver.Error as error:
            raise UserError(f"CUDA through PyCUDA: {error}") from error

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
        array: Frames = self._driver.pagelocked_empty(shape, np.uint8)
        return array

    def release_pinned(self, array: Frames) -> None:
        """Give page-locked memory back."""
        array.base.free()  # type: ignore[union-attr]

    def upload(self, array: NDArray[Any], address: int, stream: Stream) -> None:
        """Enqueue a copy to the device."""
        self._driver.memcpy_htod_async(address, array, stream)

    def download(self, address: int, array: NDArray[Any], stream: Stream) -> None:
        """Enqueue a copy to the host."""
        self._driver.memcpy_dtoh_async(array, address, stream)


@cache
def _context(device: Any) -> Any:
    # One object for all threads, for ever: PyCUDA knows contexts by it, and letting go of one
    # leaves it on the thread's stack.
    return device.retain_primary_context()
