"""Engines that can run a model. Each is one file with one class that satisfies `Backend`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from ship_deploy.artifact import Artifact, read_artifact
from ship_deploy.backends.address import EXAMPLE, parse_address
from ship_deploy.backends.info import Info
from ship_deploy.backends.providers import PROVIDERS, GpuOptions
from ship_deploy.errors import UserError

NAMES = (*PROVIDERS, "openvino", "tensorrt", "triton")


class Backend(Protocol):
    """Runs one model on one device."""

    info: Info

    frames_in_flight: int
    """Frames that are worth having under way at a time."""

    def start(self, *inputs: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        """Begin to compute the graph's output for its inputs, in their order.

        Safe to call from several threads. What is returned waits for the output, which is the
        caller's own; it is to be called once.
        """
        ...


@runtime_checkable
class DeviceBackend(Backend, Protocol):
    """A backend that takes frames which lie on its device."""

    def fuse_on_device(self, visible: Any, infrared: Any) -> Any:
        """Fused frames in an array of the library of `visible`."""
        ...


def is_engine(model: Path) -> bool:
    """Whether a file is meant as an engine: by its name, or by the passport beside it."""
    from ship_deploy.engines.passport import passport_path

    return model.suffix == ".engine" or passport_path(model).exists()


def load(
    model: Path | str,
    backend: str,
    device: str,
    threads: int | None,
    cuda: str,
    signed_by: Path | None = None,
    gpu: GpuOptions | None = None,
) -> Backend:
    """The backend called `backend` with a model in it; "auto" goes by the kind of model.

    A text is the address of a model on a server.
    """
    if backend != "auto" and backend not in NAMES:
        raise UserError(f"unknown backend {backend!r}, expected auto or one of: {', '.join(NAMES)}")
    if isinstance(model, str):
        return _triton(model, backend, device, threads, signed_by, gpu)
    if backend == "triton":
        raise UserError(f"{model}: triton takes the address of a model, such as {EXAMPLE}")
    if gpu is not None and (backend == "tensorrt" or is_engine(model)):
        raise UserError("gpu is for ONNX Runtime; TensorRT chooses by itself")
    if is_engine(model):
        if backend not in ("auto", "tensorrt"):
            raise UserError(f"{model}: an engine runs in TensorRT, not by {backend}")
        return _tensorrt(model, device, threads, cuda, signed_by)
    artifact = read_artifact(model, signed_by)
    if artifact.metadata.get("graph") != "frames":
        raise UserError(f"{artifact.path}: takes luminance, for verification, not camera frames")
    if backend == "tensorrt":
        return _tensorrt(artifact, device, threads, cuda)
    if backend == "openvino":
        from ship_deploy.backends.openvino import OpenVINO

        if gpu is not None:
            raise UserError("gpu is for ONNX Runtime; OpenVINO runs on the CPU here")
        return OpenVINO(artifact, device, threads)
    from ship_deploy.backends.onnxruntime import OnnxRuntime

    return OnnxRuntime(
        artifact, device, threads, backend if backend in PROVIDERS else "onnxruntime", gpu
    )


def _tensorrt(
    model: Artifact | Path,
    device: str,
    threads: int | None,
    cuda: str,
    signed_by: Path | None = None,
) -> Backend:
    """An engine; that of an ONNX model is built into the cache, unless it is there already."""
    from ship_deploy.backends.tensorrt import TensorRT
    from ship_deploy.cuda.gpu import find_gpu, parse_device
    from ship_deploy.engines.cache import build_cached
    from ship_deploy.engines.flavour import load as load_flavour
    from ship_deploy.engines.profile import choose_profile
    from ship_deploy.engines.recipe import make_recipe

    if threads is not None:
        raise UserError("threads is for the CPU; TensorRT runs on the GPU")
    if device == "cpu":
        raise UserError("device is 'cpu'; TensorRT takes auto, cuda or cuda:N")
    index = parse_device(device) or 0
    if isinstance(model, Path):
        return TensorRT(model, index, cuda, signed_by)
    flavour = load_flavour()
    find_gpu(index)
    recipe = make_recipe(model, flavour, choose_profile(model.metadata["size"]), device=index)
    return TensorRT(build_cached(model, recipe, index), index, cuda)


def _triton(
    address: str,
    backend: str,
    device: str,
    threads: int | None,
    signed_by: Path | None,
    gpu: GpuOptions | None,
) -> Backend:
    """A model on a server, which has chosen all else itself."""
    from ship_deploy.backends.triton import Triton

    if backend not in ("auto", "triton"):
        raise UserError(f"{address.partition('?')[0]}: a model on a server; it runs by triton")
    if device != "auto":
        raise UserError(f"device is {device!r}; a Triton server chooses it, leave it at auto")
    if threads is not None:
        raise UserError("threads is for this computer's CPU, and the model runs on a server")
    if gpu is not None:
        raise UserError("gpu is for ONNX Runtime here, and the model runs on a server")
    if signed_by is not None:
        raise UserError("the signature of a model on a server cannot be checked from here")
    return Triton(parse_address(address))
