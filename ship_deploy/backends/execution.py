"""One frame through an engine: copied to the GPU, fused there, copied back."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from ship_deploy.cuda import Cuda, Memory
from ship_deploy.cuda.buffers import Buffer
from ship_deploy.engines.flavour import Flavour
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames

INPUTS, OUTPUT = ("visible", "infrared"), "fused"
Size = tuple[int, int]  # height, width


class Execution:
    """An execution context of an engine with its stream and its buffers, for one frame at a time.

    Everything is asynchronous until `finish`. To be used inside `with cuda.active():`.

    Args:
        cuda: the GPU.
        context: TensorRT's, whose activation memory is the caller's to give.
        flavour: the TensorRT that runs it.
    """

    def __init__(self, cuda: Cuda, context: Any, flavour: Flavour) -> None:
        self._cuda = cuda
        self._context = context
        self._flavour = flavour
        # TensorRT-RTX records graphs of its own.
        self._capture = cuda.capture if flavour.name == "tensorrt" else None
        self._stream = cuda.stream()
        self._size = 0, 0
        self._buffers: dict[str, Buffer] = {}
        self._activations: Memory | None = None
        self._replay: Callable[[], None] | None = None
        self._warm = False

    def start(self, visible: Frames, infrared: Frames) -> None:
        """Enqueue a frame: visible (1, H, W, 3), infrared (1, H, W). They may change afterwards."""
        self._resize(infrared.shape[1], infrared.shape[2])
        for name, frame in zip(INPUTS, (visible, infrared), strict=True):
            self._buffers[name].host[:] = frame
            self._buffers[name].upload(self._stream)
        self._run()
        self._buffers[OUTPUT].download(self._stream)

    def finish(self) -> Frames:
        """Wait for the frame; (1, H, W, 3), the caller's own."""
        self._stream.synchronize()
        return self._buffers[OUTPUT].host.copy()

    def fuse_on_device(
        self, visible: int, infrared: int, fused: int, size: tuple[int, int]
    ) -> None:
        """Fuse a frame from and to device memory, no copy made, and wait for it.

        Args:
            visible: address of (H, W, 3) uint8, contiguous.
            infrared: address of (H, W) uint8, contiguous.
            fused: address for (H, W, 3) uint8, contiguous.
            size: H and W.
        """
        self._resize(*size)
        addresses = dict(zip((*INPUTS, OUTPUT), (visible, infrared, fused), strict=True))
        self._bind(addresses)
        try:
            self._enqueue()
            self._stream.synchronize()
        finally:
            self._bind_buffers()

    @property
    def stream(self) -> int:
        """Handle of its stream."""
        return self._stream.handle

    def release(self) -> None:
        """Wait for what is under way, and give all memory back, whatever fails of it."""
        buffers, activations = self._buffers, self._activations
        self._buffers, self._activations, self._size = {}, None, (0, 0)
        with ExitStack() as last:
            if activations is not None:
                last.callback(activations.free)
            for buffer in buffers.values():
                last.callback(buffer.free)
            try:
                self._stream.synchronize()
            finally:
                self._replay = None

    def _resize(self, height: int, width: int) -> None:
        if self._size == (height, width):
            return
        self.release()
        grey = 1, height, width
        shapes = {"visible": (*grey, 3), "infrared": grey, "fused": (*grey, 3)}
        for name in INPUTS:
            if not self._context.set_input_shape(name, shapes[name]):
                raise UserError(f"the engine does not take frames of {height}x{width}")
        for name, shape in shapes.items():
            self._buffers[name] = Buffer(self._cuda, shape)
        # As much as this size needs, not the largest of the profile.
        size = self._context.update_device_memory_size_for_shapes()
        self._activations = self._cuda.memory(max(size, 1))
        self._context.set_device_memory(int(self._activations), size)
        self._bind_buffers()
        self._warm = False
        self._size = height, width

    def _bind_buffers(self) -> None:
        self._bind({name: buffer.address for name, buffer in self._buffers.items()})

    def _bind(self, addresses: dict[str, int]) -> None:
        for name, address in addresses.items():
            self._context.set_tensor_address(name, address)

    def _run(self) -> None:
        if self._replay is not None:
            self._replay()
            return
        if self._warm and self._capture:  # TensorRT wants one run of a new size before a capture
            self._replay = self._capture(self._stream, self._enqueue)
            self._replay()
            return
        self._enqueue()
        self._warm = True

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            reasons = "; ".join(self._flavour.logger.take())
            raise UserError(f"{self._flavour.name} cannot run the engine: {reasons}")
