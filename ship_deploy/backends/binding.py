"""Frames on the GPU that are bound to a session of ONNX Runtime."""

from typing import Any

import numpy as np

from ship_deploy.frames import Frames

Shape = tuple[int, ...]


class Binding:
    """A session's inputs and its output in buffers on the GPU, for frames of one size.

    The buffers stay where they are, as a CUDA graph needs it. For one frame at a time.

    Args:
        ort: the module.
        session: the session.
        device: number of the GPU.
        shapes: of the inputs, in the session's order; the output is as the first.
    """

    def __init__(self, ort: Any, session: Any, device: int, shapes: tuple[Shape, ...]) -> None:
        def buffer(shape: Shape) -> Any:
            make = ort.OrtValue.ortvalue_from_shape_and_type
            return make(list(shape), np.uint8, "cuda", device)

        self.shapes = shapes
        self._session = session
        self._inputs = [buffer(shape) for shape in shapes]
        self._output = buffer(shapes[0])
        self._binding = session.io_binding()
        for node, value in zip(session.get_inputs(), self._inputs, strict=True):
            self._binding.bind_ortvalue_input(node.name, value)
        self._binding.bind_ortvalue_output(session.get_outputs()[0].name, self._output)

    def run(self, *frames: Frames) -> Frames:
        """The output for frames of the shapes; the caller's own."""
        for value, frame in zip(self._inputs, frames, strict=True):
            value.update_inplace(np.ascontiguousarray(frame))
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        fused: Frames = self._output.numpy()
        return fused


def run_on_device(
    session: Any, device: int, inputs: list[tuple[int, Shape]], output: tuple[int, Shape]
) -> None:
    """Run a session from and to uint8 arrays on the GPU, each an address and a shape, and wait."""
    binding = session.io_binding()
    for node, (address, shape) in zip(session.get_inputs(), inputs, strict=True):
        binding.bind_input(node.name, "cuda", device, np.uint8, list(shape), address)
    address, shape = output
    name = session.get_outputs()[0].name
    binding.bind_output(name, "cuda", device, np.uint8, list(shape), address)
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
