"""A session of ONNX Runtime whose buffers on the GPU are in the memory of the CPU."""

import ctypes
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

Arrays = Callable[[np.ndarray, np.ndarray], np.ndarray]
INPUTS, OUTPUT = ("visible", "infrared"), "fused"


class OrtValue:
    """An array, with the methods that are used."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape, dtype, device, number) -> "OrtValue":
        assert device == "cuda"
        return cls(np.zeros(shape, dtype))

    def update_inplace(self, values: np.ndarray) -> None:
        assert values.flags.c_contiguous and values.shape == self.array.shape
        self.array[:] = values

    def numpy(self) -> np.ndarray:
        return self.array.copy()


class Bound:
    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def bind_ortvalue_input(self, name: str, value: OrtValue) -> None:
        self.arrays[name] = value.array

    def bind_input(self, name, device, number, dtype, shape, address) -> None:
        assert device == "cuda" and dtype == np.uint8
        pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8))
        self.arrays[name] = np.ctypeslib.as_array(pointer, tuple(shape))

    bind_ortvalue_output, bind_output = bind_ortvalue_input, bind_input

    def synchronize_inputs(self) -> None:
        pass

    def synchronize_outputs(self) -> None:
        pass


class BoundSession:
    """A session that computes `run` of what is bound."""

    def __init__(self, providers: list[str], run: Arrays) -> None:
        self.providers, self.compute = providers, run
        self.bound: list[Bound] = []
        self.runs = 0

    def get_providers(self) -> list[str]:
        return self.providers

    def get_inputs(self) -> list:
        return [SimpleNamespace(name=name) for name in INPUTS]

    def get_outputs(self) -> list:
        return [SimpleNamespace(name=OUTPUT)]

    def disable_fallback(self) -> None:
        pass

    def io_binding(self) -> Bound:
        self.bound.append(Bound())
        return self.bound[-1]

    def run_with_iobinding(self, bound: Bound) -> None:
        self.runs += 1
        bound.arrays[OUTPUT][:] = self.compute(*(bound.arrays[name] for name in INPUTS))
