"""`Fuser`: the one object that a pipeline needs."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from ship_deploy import backends
from ship_deploy.backends.address import is_address
from ship_deploy.backends.info import Info
from ship_deploy.backends.providers import GpuOptions
from ship_deploy.cuda.arrays import CudaArray, is_on_device
from ship_deploy.errors import UserError
from ship_deploy.frames import PERCENTILES, Frames, check_percentiles, prepare
from ship_deploy.models import WHY, Name, find_model

_log = logging.getLogger(__name__)
CudaFrames = TypeVar("CudaFrames", bound=CudaArray)


class Fuser:
    """Fuses visible and infrared frames. One `Fuser` may be called from many threads.

    It can be pickled: another process opens the model anew. After `os.fork`, ONNX Runtime on the
    CPU and OpenVINO open it anew by themselves, before the first frame; on a GPU that is an error.

    Args:
        model: name of a bundled model, see `ship-deploy models`; or the path of a `model.onnx` from
            `python -m export` or of an engine from `ship-deploy build`; or address of a model on a
            Triton server, such as "grpc://localhost:8001/ship-t". The default if not given,
            which is the same on every machine; the log says which, and why.
        backend: "onnxruntime"; "onnxruntime-tensorrt" and "onnxruntime-tensorrt-rtx", which run in
            ONNX Runtime's providers of those names or not at all; "openvino", on a CPU;
            "tensorrt", which builds an engine from an ONNX model the first time, into the cache;
            "triton"; or "auto": TensorRT for an engine, Triton for an address, ONNX Runtime for a
            model.
        device: "cpu", "cuda", "cuda:1", ..., or "auto".
        threads: processor threads for one call; if not given, as many as this process may use: by
            its affinity, and by the CPU quota of its container.
        percentiles: of a 16-bit or float infrared frame, the two that become 0 and 255.
        cuda: what TensorRT's device memory is handled with, "cuda-python" or "pycuda".
        signed_by: file of an Ed25519 public key, PEM. A model or engine without a signature by that
            key in a file beside it, `MODEL.onnx.sig`, is refused. Engines in the cache were built
            here and are not signed.
        gpu: how ONNX Runtime uses a GPU: a CUDA graph, a stream of yours, a memory limit.

    Attributes:
        info: what runs: model, digest, precision, backend, device, threads, versions.

    Raises:
        UserError: the model, the backend or the device cannot be used here, and why.

    Examples:
        >>> fuser = Fuser()
        >>> fused = fuser(visible, infrared)  # (480, 640, 3) and (480, 640) -> (480, 640, 3)
    """

    def __init__(
        self,
        model: Name | str | PathLike[str] | None = None,
        *,
        backend: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        percentiles: tuple[float, float] = PERCENTILES,
        cuda: str = "cuda-python",
        signed_by: str | PathLike[str] | None = None,
        gpu: GpuOptions | None = None,
    ) -> None:
        check_percentiles(percentiles)
        self._percentiles = percentiles
        found: Path | str = model if is_address(model) else find_model(model)
        if model is None:
            _log.info("model %s: %s", Path(found).stem, WHY)
        key = None if signed_by is None else Path(signed_by).absolute()
        self._arguments: dict[str, Any] = {
            "model": found if isinstance(found, str) else found.absolute(),
            "backend": backend,
            "device": device,
            "threads": threads,
            "percentiles": percentiles,
            "cuda": cuda,
            "signed_by": key,
            "gpu": gpu,
        }
        self._backend = backends.load(found, backend, device, threads, cuda, key, gpu)
        self.info: Info = self._backend.info
        if isinstance(found, Path):  # an engine in the cache is asked for as a model
            self.info = replace(self.info, model=str(found))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the model anew, from its path."""
        if (gpu := self._arguments["gpu"]) and gpu.stream is not None:
            raise UserError("a Fuser with a stream stays in its process; make one in each")
        return partial(type(self), **self._arguments), ()

    @overload
    def __call__(self, visible: Frames, infrared: NDArray[Any]) -> Frames: ...

    @overload
    def __call__(self, visible: CudaFrames, infrared: CudaFrames) -> CudaFrames: ...

    def __call__(self, visible: Any, infrared: Any) -> Any:
        """Fuse a pair of aligned frames, or two batches of them.

        Args:
            visible: uint8, BGR (H, W, 3) or grey (H, W); a batch has N in front. With TensorRT, and
                with ONNX Runtime on CUDA, also an array on the GPU (torch, CuPy, PyCUDA, Numba),
                colour and contiguous.
            infrared: uint8, uint16, float32 or float64, (H, W) or (N, H, W); H and W at least 16.
                On the GPU if `visible` is, then uint8.

        Returns:
            uint8, in the shape of `visible`, and of its library if on the GPU; the caller's own.

        Raises:
            UserError: shapes, types or values that cannot be fused.
        """
        if is_on_device(visible) or is_on_device(infrared):
            return self._fuse_on_device(visible, infrared)
        batches = prepare(visible, infrared, self._percentiles)
        # One by one: engines pick other kernels for a batch, and then a frame's last bits would
        # depend on its neighbours.
        frames = ((v[None], i[None]) for v, i in zip(*batches, strict=True))
        fused = np.concatenate([*self._run(frames)])
        if visible.ndim == infrared.ndim:
            fused = fused[..., 0].copy()  # grey in, grey out: all channels are equal
        return fused if infrared.ndim == 3 else fused[0]

    def map(self, pairs: Iterable[tuple[Frames, NDArray[Any]]]) -> Iterator[Frames]:
        """Fuse a sequence of single pairs, in order; for throughput rather than promptness.

        On a GPU a frame is copied while the one before is computed, so a result comes only once
        the next pair was taken.

        Args:
            pairs: visible and infrared, as in a call, without N in front.

        Raises:
            UserError: a pair that cannot be fused. What was under way comes before it.
        """
        shapes: deque[bool] = deque()

        def prepared() -> Iterator[tuple[Frames, Frames]]:
            for visible, infrared in pairs:
                batch = prepare(visible, infrared, self._percentiles)
                if infrared.ndim == 3:
                    raise UserError("map takes single frames, not batches")
                shapes.append(visible.ndim == 2)
                yield batch

        for fused in self._run(prepared()):
            yield fused[0, ..., 0].copy() if shapes.popleft() else fused[0]

    def _run(self, frames: Iterable[tuple[Frames, Frames]]) -> Iterator[Frames]:
        """Batches of one through the backend, as many at a time as it likes."""
        under_way: deque[Callable[[], Frames]] = deque()
        problem: Exception | None = None
        try:
            try:
                for frame in frames:
                    under_way.append(self._backend.start(*frame))
                    if len(under_way) == self._backend.frames_in_flight:
                        yield under_way.popleft()()
            except Exception as error:
                problem = error  # of the next frame; those under way are whole
            while under_way:
                yield under_way.popleft()()
            if problem:
                raise problem
        finally:
            for finish in under_way:  # the backend wants back what it lent
                with suppress(UserError):  # there is another already
                    finish()

    def _fuse_on_device(self, visible: Any, infrared: Any) -> Any:
        if not isinstance(self._backend, backends.DeviceBackend):
            name = self.info.backend
            raise UserError(f"{name} takes numpy arrays only")
        if not (is_on_device(visible) and is_on_device(infrared)):
            raise UserError("one frame is on the GPU and the other is not; move both to one device")
        return self._backend.fuse_on_device(visible, infrared)
