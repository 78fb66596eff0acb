"""TensorRT and TensorRT-RTX: engines on NVIDIA GPUs.

No engine has run on a GPU yet. The CUDA layer below (memory, streams, graphs, arrays of torch)
passes its checks on an H100, but TensorRT-RTX does not support that GPU, and TensorRT was not at
hand. What is in this file was run on a stand-in for the driver.
"""

import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ship_deploy.artifact import VERSION
from ship_deploy.backends.execution import Execution
from ship_deploy.backends.info import Info
from ship_deploy.cuda import Cuda, load
from ship_deploy.cuda.arrays import DeviceArray, empty_like, look_at_frames
from ship_deploy.engines import flavour as flavours
from ship_deploy.engines.passport import read_engine
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames


class TensorRT:
    """An engine on a GPU.

    Calls that run at the same time each have an `Execution`.

    Args:
        path: the engine, its passport beside it.
        device: number of the GPU.
        cuda: "cuda-python" or "pycuda".
        signed_by: file of the public key that the engine has to be signed by.

    Raises:
        UserError: the engine is not for this machine, or TensorRT cannot load it.
    """

    frames_in_flight = 2  # one is copied while another is computed

    def __init__(self, path: Path, device: int, cuda: str, signed_by: Path | None = None) -> None:
        content, passport = read_engine(path, device, signed_by)
        self._profile = passport.recipe.profile
        self._flavour = flavours.load(passport.recipe.flavour)
        self._cuda = load(cuda, device)
        self._device = device
        with self._cuda.active():
            self._flavour.logger.take()
            try:
                self._runtime = self._flavour.trt.Runtime(self._flavour.logger)
                self._engine = self._runtime.deserialize_cuda_engine(content)
            except TypeError:  # its constructor returned nothing
                self._engine = None
        if self._engine is None:
            raise UserError(f"{path}: {self._flavour.name} cannot load it: {self._reasons()}")
        self._idle: deque[Execution] = deque()
        weakref.finalize(self, _release, self._cuda, self._idle)
        self.info = Info(
            model=str(path),
            precision=str(passport.recipe.metadata["precision"]),
            digest=passport.engine_digest,
            backend="tensorrt",
            device=f"cuda:{device}",
            versions={self._flavour.name: self._flavour.version, "ship-deploy": VERSION},
            sizes=str(self._profile),
            cuda=self._cuda.name,
            graphs=_graphs(self._cuda, self._flavour),
        )

    def start(self, *inputs: Frames) -> Callable[[], Frames]:
        """Enqueue a frame; what is returned waits for it and is to be called once."""
        self._check(inputs[1].shape[1:])
        execution = self._take()
        try:
            with self._cuda.active():
                execution.start(*inputs)
        except BaseException:
            self._put_back(execution)
            raise

        def finish() -> Frames:
            try:
                with self._cuda.active():
                    fused = execution.finish()
            except BaseException:
                self._put_back(execution)
                raise
            self._idle.append(execution)
            return fused

        return finish

    def fuse_on_device(self, visible: Any, infrared: Any) -> Any:
        """Fuse arrays that lie on the GPU, (..., H, W, 3) and (..., H, W), without a copy.

        Returns:
            An array of the kind of `visible`, finished.
        """
        execution = self._take()
        try:
            with self._cuda.active():
                bgr, ir = look_at_frames(visible, infrared, execution.stream, self._device)
                height, width = ir.shape[-2:]
                self._check((height, width))
                fused = empty_like(visible, bgr.shape)
                target = DeviceArray.of(fused, execution.stream)
                frames = zip(bgr.frames(3), ir.frames(2), target.frames(3), strict=True)
                for (v, _), (i, _), (f, _) in frames:
                    execution.fuse_on_device(v, i, f, (height, width))
        except BaseException:
            self._put_back(execution)
            raise
        self._idle.append(execution)
        return fused

    def _check(self, size: tuple[int, ...]) -> None:
        (_, *low), _, (_, *high) = self._profile.shapes
        if not all(a <= n <= b for a, n, b in zip(low, size, high, strict=True)):
            raise UserError(
                f"frames are {size[0]}x{size[1]}, the engine takes {self._profile}; build one with "
                "ship-deploy build --min --opt --max"
            )

    def _take(self) -> Execution:
        try:
            return self._idle.pop()
        except IndexError:
            with self._cuda.active():
                return Execution(self._cuda, self._context(), self._flavour)

    def _put_back(self, execution: Execution) -> None:
        """After an error: emptied, so that nothing half done is left in it; if CUDA still can."""
        with suppress(UserError):
            with self._cuda.active():
                execution.release()
            self._idle.append(execution)

    def _reasons(self) -> str:
        return "; ".join(self._flavour.logger.take())

    def _context(self) -> Any:
        context = self._make_context()
        if context is None:
            raise UserError(
                f"{self._flavour.name} cannot make an execution context: {self._reasons()}"
            )
        return context

    def _make_context(self) -> Any:
        trt, strategy = self._flavour.trt, self._flavour.trt.ExecutionContextAllocationStrategy
        if not self._flavour.targets:
            return self._engine.create_execution_context(strategy.USER_MANAGED)
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(strategy.USER_MANAGED)
        config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return self._engine.create_execution_context(config)


def _graphs(cuda: Cuda, flavour: flavours.Flavour) -> str:
    if flavour.targets:
        return "by TensorRT-RTX"
    return "captured" if cuda.capture else f"off ({cuda.name} has none)"


def _release(cuda: Cuda, executions: deque[Execution]) -> None:
    for execution in executions:
        # After an error that lasts nothing can be given back; the driver does that at the end.
        with suppress(UserError), cuda.active():
            execution.release()
