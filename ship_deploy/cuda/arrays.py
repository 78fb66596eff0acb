"""Arrays that lie on a GPU: torch, CuPy, PyCUDA, Numba, by their own protocols."""

import importlib
import math
from typing import Any, NamedTuple, Protocol

import numpy as np

from ship_deploy.errors import UserError

_CUDA = 2  # DLPack's number for this kind of device


class CudaArray(Protocol):
    """An array of torch, CuPy, PyCUDA or Numba on a GPU, as far as types can tell."""

    @property
    def __cuda_array_interface__(self) -> Any: ...


class DeviceArray(NamedTuple):
    """Where an array lies and what it is. The array itself must outlive it."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    contiguous: bool
    device: int
    foreign: bool

    @classmethod
    def of(cls, array: Any, stream: int) -> "DeviceArray":
        """Look at an array; `stream` will wait for what its owner has enqueued to fill it.

        To be called where the context is current that will use it.
        """
        from cuda.core.utils import StridedMemoryView

        view = StridedMemoryView.from_any_interface(array, stream_ptr=stream)
        steps = tuple(math.prod(view.shape[axis + 1 :]) for axis in range(len(view.shape)))
        contiguous = view.strides is None or all(
            found == expected
            for found, expected, length in zip(view.strides, steps, view.shape, strict=True)
            if length > 1
        )
        shape = tuple(view.shape)
        address, device = int(view.ptr), int(view.device_id)
        dtype = np.dtype(view.dtype)
        return cls(address, shape, dtype, contiguous, device, _is_foreign(address))

    def frames(self, dimensions: int) -> list[tuple[int, tuple[int, ...]]]:
        """Address and shape of each frame, whose own shape has so many dimensions, as (1, ...)."""
        shape = self.shape[-dimensions:]
        count = math.prod(self.shape[:-dimensions])
        return [(self.address + n * math.prod(shape), (1, *shape)) for n in range(count)]

    def check(self, name: str, device: int) -> None:
        """Raise a UserError if an engine on GPU number `device` cannot read it as it is."""
        if self.dtype != np.uint8:
            raise UserError(f"{name} is {self.dtype} on the GPU, expected uint8")
        if not self.contiguous:
            raise UserError(f"{name} is not contiguous; make a contiguous copy first")
        if self.device != device:
            raise UserError(f"{name} is on GPU {self.device}, the engine on GPU {device}")
        if self.foreign:
            raise UserError(
                f"{name} is in another CUDA context than the GPU's primary one, where the engine "
                "is; with PyCUDA, import pycuda.autoprimaryctx in place of pycuda.autoinit"
            )


def look_at_frames(
    visible: Any, infrared: Any, stream: int, device: int
) -> tuple[DeviceArray, DeviceArray]:
    """Arrays on the GPU that are a pair, or two batches, of frames for an engine on `device`.

    `stream` will wait for what their owners have enqueued to fill them.

    Raises:
        UserError: they are not uint8 (..., H, W, 3) and (..., H, W), contiguous, there.
    """
    bgr, ir = (DeviceArray.of(x, stream) for x in (visible, infrared))
    for name, array in (("visible", bgr), ("infrared", ir)):
        array.check(name, device)
    if bgr.shape != (*ir.shape, 3) or len(ir.shape) not in (2, 3):
        raise UserError(
            f"visible has shape {bgr.shape} and infrared {ir.shape} on the GPU, "
            "expected (H, W, 3) and (H, W), or both with N in front"
        )
    return bgr, ir


def _is_foreign(address: int) -> bool:
    """Whether memory belongs to another context than the current one; that of pools has none."""
    from cuda.bindings import driver

    kind = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_CONTEXT
    status, owner = driver.cuPointerGetAttribute(kind, address)
    _, current = driver.cuCtxGetCurrent()
    return not status and int(owner) not in (0, int(current))


def is_on_device(array: Any) -> bool:
    """Whether an array lies on a GPU."""
    if isinstance(array, np.ndarray):
        return False
    if hasattr(array, "__cuda_array_interface__"):
        return True
    return hasattr(array, "__dlpack_device__") and array.__dlpack_device__()[0] == _CUDA


def empty_like(array: Any, shape: tuple[int, ...]) -> Any:
    """An uninitialised uint8 array of the same library, on the same GPU.

    Raises:
        UserError: the library is not one of those that it knows.
    """
    library = type(array).__module__.partition(".")[0]
    match library:
        case "torch":
            torch = importlib.import_module("torch")
            return torch.empty(shape, dtype=torch.uint8, device=array.device)
        case "cupy":
            cupy = importlib.import_module("cupy")
            with array.device:
                return cupy.empty(shape, np.uint8)
        case "pycuda":
            return importlib.import_module("pycuda.gpuarray").empty(shape, np.uint8)
        case "numba":
            return importlib.import_module("numba.cuda").device_array(shape, np.uint8)
    raise UserError(f"arrays of {library} are not supported; use torch, cupy, pycuda or numba")
