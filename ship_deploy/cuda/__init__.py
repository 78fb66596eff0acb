"""Device memory and streams, through cuda-python or PyCUDA. One small interface for both.

Both stand on the primary context of a GPU, the one that torch and CUDA's runtime use, so all of
them can live in one process.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from numpy.typing import NDArray

from ship_deploy.cuda.gpu import find_gpu
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames

NAMES = ("cuda-python", "pycuda")


class Memory(Protocol):
    """A piece of device memory; `int(memory)` is its address."""

    def __int__(self) -> int: ...

    def free(self) -> None:
        """Give it back."""
        ...


class Stream(Protocol):
    """A queue of work on the GPU, independent of other streams."""

    handle: int
    """CUDA's `CUstream`."""

    def synchronize(self) -> None:
        """Wait until all work in it is done."""
        ...


class Cuda(Protocol):
    """One GPU. All but `active` is to be called inside `with cuda.active():`.

    Raises:
        UserError: CUDA fails; leaving `active` turns what was raised inside into it.
    """

    name: str

    unified: bool
    """Whether the GPU works in the memory of the CPU, as that of a Jetson does."""

    def active(self) -> AbstractContextManager[None]:
        """Make the GPU's primary context that of this thread."""
        ...

    def stream(self) -> Stream:
        """A new stream that does not wait for CUDA's default stream."""
        ...

    def memory(self, size: int) -> Memory:
        """`size` bytes on the device, 256-byte aligned."""
        ...

    def pinned(self, shape: tuple[int, ...]) -> Frames:
        """An array in page-locked host memory, whose copies run beside other work."""
        ...

    def release_pinned(self, array: Frames) -> None:
        """Give page-locked memory back."""
        ...

    def mapped(self, array: Frames) -> int:
        """Address at which the GPU sees an array that `pinned` made."""
        ...

    def upload(self, array: NDArray[Any], address: int, stream: Stream) -> None:
        """Enqueue a copy to the device; `array` is contiguous and stays as it is until done."""
        ...

    def download(self, address: int, array: NDArray[Any], stream: Stream) -> None:
        """Enqueue a copy to the host; `array` is contiguous and holds the data when done."""
        ...

    @property
    def capture(self) -> Callable[[Stream, Callable[[], None]], Callable[[], None]] | None:
        """None without CUDA graphs; else `capture(stream, enqueue)`.

        It records what `enqueue` puts into the stream, without running it; the result runs it.
        """
        ...


def load(name: str, device: int) -> Cuda:
    """GPU number `device`, through "cuda-python" or "pycuda".

    Raises:
        UserError: unknown, not installed, or no such GPU.
    """
    if name not in NAMES:
        raise UserError(f"unknown cuda {name!r}, expected one of: {', '.join(NAMES)}")
    find_gpu(device)
    if name == "pycuda":
        from ship_deploy.cuda.pycuda import PyCuda

        return PyCuda(device)
    from ship_deploy.cuda.bindings import CudaPython

    return CudaPython(device)
