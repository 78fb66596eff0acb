"""Frames that pass between the CPU and the GPU."""

from ship_deploy.cuda import Cuda, Memory, Stream


class Buffer:
    """A uint8 array in page-locked host memory, and its counterpart on the device.

    Where CPU and GPU share their memory, the two are one, and no copy is made: the GPU reads and
    writes `host` itself. To be used inside `with cuda.active():`.

    Args:
        cuda: the GPU.
        shape: of the array.

    Attributes:
        host: the array; valid until `free`.
        address: where the GPU finds it.
    """

    def __init__(self, cuda: Cuda, shape: tuple[int, ...]) -> None:
        self._cuda = cuda
        self.host = cuda.pinned(shape)
        self._memory: Memory | None = None
        try:
            if cuda.unified:
                self.address = cuda.mapped(self.host)
            else:
                self._memory = cuda.memory(self.host.nbytes)
                self.address = int(self._memory)
        except BaseException:
            cuda.release_pinned(self.host)
            raise

    def upload(self, stream: Stream) -> None:
        """Enqueue what brings `host` to the GPU; `host` stays as it is until done."""
        if self._memory is not None:
            self._cuda.upload(self.host, self.address, stream)

    def download(self, stream: Stream) -> None:
        """Enqueue what brings it from the GPU into `host`."""
        if self._memory is not None:
            self._cuda.download(self.address, self.host, stream)

    def free(self) -> None:
        """Give all of it back."""
        try:
            self._cuda.release_pinned(self.host)
        finally:
            if self._memory is not None:
                self._memory.free()
