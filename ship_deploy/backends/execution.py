"""One frame through an engine: copied to the GPU, fused there, copied back."""

import math
from collections.abc import Callable
from typing import Any

from ship_deploy.cuda import Cuda, Memory
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
        self._host: dict[str, Frames] = {}
        self._device: dict[str, Memory] = {}
        self._activations: Memory | None = None
        self._replay: Callable[[], None] | None = None
        self._warm = False

    def start(self, visible: Frames, infrared: Frames) -> None:
        """Enqueue a frame: visible (1, H, W, 3), infrared (1, H, W). They may change afterwards."""
        self._resize(infrared.shape[1], infrared.shape[2])
        for name, frame in zip(INPUTS, (visible, infrared), strict=True):
            self._host[name][:] = frame
            self._cuda.upload(self._host[name], int(self._device[name]), self._stream)
        self._run()
        self._cuda.download(int(self._device[OUTPUT]), self._host[OUTPUT], self._stream)

    def finish(self) -> Frames:
        """Wait for the frame; (1, H, W, 3), the caller's own."""
        self._stream.synchronize()
        return self._host[OUTPUT].copy()

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
            self._bind(self._device)

    @property
    def stream(self) -> int:
        """Handle of its stream."""
        return self._stream.handle

    def release(self) -> None:
        """Give all memory back."""
        self._stream.synchronize()
        self._replay = None
        for array in self._host.values():
            self._cuda.release_pinned(array)
        for memory in self._device.values():
            memory.free()
        if self._activations is not None:
            self._activations.free()
        self._host, self._device, self._activations, self._size = {}, {}, None, (0, 0)

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
            self._host[name] = self._cuda.pinned(shape)
            self._device[name] = self._cuda.memory(math.prod(shape))
        # As much as this size needs, not the largest of the profile.
        size = self._context.update_device_memory_size_for_shapes()
        self._activations = self._cuda.memory(max(size, 1))
        self._context.set_device_memory(int(self._activations), size)
        self._bind(self._device)
        self._warm = False
        self._size = height, width

    def _bind(self, addresses: dict[str, Any]) -> None:
        for name, address in addresses.items():
            self._context.set_tensor_address(name, int(address))

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
