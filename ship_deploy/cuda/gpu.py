"""The NVIDIA GPU of this machine, asked through cuda-python."""

import re
from dataclasses import dataclass

from ship_deploy.cuda.faults import describe
from ship_deploy.errors import UserError, how_to_install


@dataclass(frozen=True)
class Gpu:
    """A GPU that programs can use.

    Attributes:
        name: as its maker calls it, "NVIDIA RTX A2000".
        compute_capability: "8.6".
        driver: the newest CUDA version that the driver knows, "13.0".
    """

    name: str
    compute_capability: str
    driver: str


def parse_device(device: str) -> int | None:
    """Number of the GPU that "cuda" or "cuda:N" names; None for "auto" and "cpu".

    Raises:
        UserError: it is none of these.
    """
    if not isinstance(device, str):
        raise UserError(f"device is {device!r}, expected a text: auto, cpu, cuda or cuda:N")
    if device in ("auto", "cpu"):
        return None
    if found := re.fullmatch(r"cuda(?::(\d+))?", device):
        return int(found[1] or 0)
    raise UserError(f"unknown device {device!r}, expected auto, cpu, cuda or cuda:N")


def find_gpu(device: int = 0) -> Gpu:
    """GPU number `device`, counted as CUDA counts.

    Raises:
        UserError: there is none, no driver, or no cuda-python to ask with.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise UserError(
            f"cuda-python is not installed: {how_to_install('tensorrt')}, or '.[tensorrt-rtx]'"
        ) from error
    status, count = runtime.cudaGetDeviceCount()
    if status == runtime.cudaError_t.cudaErrorInsufficientDriver:
        raise UserError(
            f"no NVIDIA driver, or one too old for this cuda-python (CUDA error {int(status)})"
        )
    if status or not count:
        raise UserError(f"no NVIDIA GPU that CUDA can use ({_describe(int(status))})")
    if device >= count:
        raise UserError(f"there is no GPU {device}; CUDA finds {count}, numbered from 0")
    status, properties = runtime.cudaGetDeviceProperties(device)
    if status:
        raise UserError(f"GPU {device} does not answer ({_describe(int(status))})")
    _, driver = runtime.cudaDriverGetVersion()
    return Gpu(
        properties.name.decode().rstrip("\0"),
        f"{properties.major}.{properties.minor}",
        f"{driver // 1000}.{driver % 1000 // 10}",
    )


def use_gpu(device: int) -> None:
    """Make GPU number `device` the one that CUDA uses in this thread."""
    from cuda.bindings import runtime

    (status,) = runtime.cudaSetDevice(device)
    if status:
        raise UserError(f"GPU {device} cannot be used ({_describe(int(status))})")


def _describe(status: int) -> str:
    return describe(status, f"CUDA error {status}")
