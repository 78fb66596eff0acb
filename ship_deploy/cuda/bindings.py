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
from ship_deploy.cuda.faults import failure
from ship_deploy.frames import Frames


class CudaPython:
    """See `ship_deploy.cuda.Cuda`."""

    name = "cuda-python"

    def __init__(self, device: int) -> None:
        _call(driver.cuInit, 0)
        number = _call(driver.cuDeviceGet, device)
        kind = driver.CUdevice_attribute
        self.unified = all(
            _call(driver.cuDeviceGetAttribute, attribute, number)
            for attribute in (
                kind.CU_DEVICE_ATTRIBUTE_INTEGRATED,
                kind.CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY,
            )
        )
        self._context = _call(driver.cuDevicePrimaryCtxRetain, number)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the GPU's primary context that of this thread."""
        _call(driver.cuCtxPushCurrent, self._context)
        try:
            yield
        finally:
            driver.cuCtxPopCurrent()  # fails with the status of what has failed before

    def stream(self) -> "_Stream":
        """A new stream."""
        return _Stream()

    def memory(self, size: int) -> "_Memory":
        """Device memory."""
        return _Memory(size)

    def pinned(self, shape: tuple[int, ...]) -> Frames:
        """An array in page-locked host memory."""
        size = math.prod(shape)
        address = int(_call(driver.cuMemHostAlloc, size, driver.CU_MEMHOSTALLOC_DEVICEMAP))
        memory = (ctypes.c_uint8 * size).from_address(address)
        return np.ctypeslib.as_array(memory).reshape(shape)

    def release_pinned(self, array: Frames) -> None:
        """Give page-locked memory back."""
        _call(driver.cuMemFreeHost, array.ctypes.data)

    def mapped(self, array: Frames) -> int:
        """Where the GPU sees a page-locked array."""
        return int(_call(driver.cuMemHostGetDevicePointer, array.ctypes.data, 0))

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
        except BaseException:
            status, graph = driver.cuStreamEndCapture(stream.handle)
            if not status:
                driver.cuGraphDestroy(graph)
            raise
        program = _Graph(_call(driver.cuStreamEndCapture, stream.handle))
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
        self.handle = 0
        self.handle = int(_call(driver.cuStreamCreate, flags))

    def synchronize(self) -> None:
        _call(driver.cuStreamSynchronize, self.handle)

    def __del__(self) -> None:
        if self.handle:
            driver.cuStreamDestroy(self.handle)


class _Graph:
    def __init__(self, graph: Any) -> None:
        self.executable: Any = None
        try:
            self.executable = _call(driver.cuGraphInstantiate, graph, 0)
        finally:
            driver.cuGraphDestroy(graph)

    def __del__(self) -> None:
        if self.executable is not None:
            driver.cuGraphExecDestroy(self.executable)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """A driver function's result; an error that names it if it fails."""
    status, *results = function(*arguments)
    if status:
        reason = driver.cuGetErrorString(status)[1]
        words = reason.decode() if reason else "unknown error"
        raise failure(int(status), f"CUDA error {int(status)} in {function.__name__}: {words}")
    return results[0] if results else None
