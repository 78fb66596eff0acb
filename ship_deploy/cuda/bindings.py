"""CUDA through cuda-python, the default: wheels, and CUDA graphs."""

import ctypes
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from cuda.bindings import driver
from numpy.typing import NDArray

from ship_deploy.cuda import Stream
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames


class CudaPython:
    """See `ship_deploy.cuda.Cuda`."""

    name = "cuda-python"

    def __init__(self, device: int) -> None:
        _call(driver.cuInit, 0)
        self._context = _call(driver.cuDevicePrimaryCtxRetain, _call(driver.cuDeviceGet, device))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the GPU's primary context that of this thread."""
        _call(driver.cuCtxPushCurrent, self._context)
        try:
            yield
        finally:
            _call(driver.cuCtxPopCurrent)

    def stream(self) -> "_Stream":
        """A new stream."""
        return _Stream()

    def memory(self, size: int) -> "_Memory":
        """Device memory."""
        return _Memory(size)

    def pinned(self, shape: tuple[int, ...]) -> Frames:
        """An array in page-locked host memory."""
        size = math.prod(shape)
        address = int(_call(driver.cuMemHostAlloc, size, 0))
        memory = (ctypes.c_uint8 * size).from_address(address)
        return np.ctypeslib.as_array(memory).reshape(shape)

    def release_pinned(self, array: Frames) -> None:
        """Give page-locked memory back."""
        _call(driver.cuMemFreeHost, array.ctypes.data)

    def upload(self, array: NDArray[Any], address: int, stream: Stream) -> None:
        """Enqueue a copy to the device."""
        _call(driver.cuMemcpyHtoDAsync, address, array.ctypes.data, array.nbytes, stream.handle)

    def download(self, address: int, array: NDArray[Any], stream: Stream) -> None:
        """Enqueue a copy to the host."""
        _call(driver.cuMemcpyDtoHAsync, array.ctypes.data, address, array.nbytes, stream.handle)

    def capture(self, stream: Stream, enqueue: Callable[[], None]) -> Callable[[], None]:
        """Record work as a CUDA graph."""
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _call(driver.cuStreamBeginCapture, stream.handle, mode)
        try:
            enqueue()
        finally:
            graph = _call(driver.cuStreamEndCapture, stream.handle)
        program = _Graph(graph)
        return lambda: _call(driver.cuGraphLaunch, program.executable, stream.handle)


class _Memory:
    def __init__(self, size: int) -> None:
        self._address = int(_call(driver.cuMemAlloc, size))

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        _call(driver.cuMemFree, self._address)


class _Stream:
    def __init__(self) -> None:
        flags = driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        self.handle = int(_call(driver.cuStreamCreate, flags))

    def synchronize(self) -> None:
        _call(driver.cuStreamSynchronize, self.handle)

    def __del__(self) -> None:
        driver.cuStreamDestroy(self.handle)


class _Graph:
    def __init__(self, graph: Any) -> None:
        self.executable = _call(driver.cuGraphInstantiate, graph, 0)
        _call(driver.cuGraphDestroy, graph)

    def __del__(self) -> None:
        driver.cuGraphExecDestroy(self.executable)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """A driver function's result; a UserError that names it if it fails."""
    status, *results = function(*arguments)
    if status:
        reason = driver.cuGetErrorString(status)[1]
        words = reason.decode() if reason else "unknown error"
        raise UserError(f"CUDA error {int(status)} in {function.__name__}: {words}")
    return results[0] if results else None
