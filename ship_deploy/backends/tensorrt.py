"""TensorRT and TensorRT-RTX: engines on NVIDIA GPUs.

The way through the GPU was run on a stand-in for the driver, and engines were built, but on a GPU
nothing of this was run yet.
"""

import re
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ship_deploy.backends.lane import Lane
from ship_deploy.cuda import Cuda, load
from ship_deploy.cuda.arrays import DeviceArray, empty_like
from ship_deploy.engines import flavour as flavours
from ship_deploy.engines.passport import read_engine
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames


class TensorRT:
    """An engine on a GPU.

    Calls that run at the same time each have a `Lane`: an execution context, a stream and buffers.

    Args:
        path: the engine, its passport beside it.
        device: number of the GPU.
        cuda: "cuda-python" or "pycuda".

    Raises:
        UserError: the engine is not for this machine, or TensorRT cannot load it.
    """

    ahead = 1

    def __init__(self, path: Path, device: int, cuda: str) -> None:
        content, passport = read_engine(path, device)
        self._profile = passport.recipe.profile
        self._flavour = flavours.load(passport.recipe.flavour)
        self._cuda = load(cuda, device)
        self._device = device
        with self._cuda.active():
            self._flavour.logger.take()
            self._runtime = self._flavour.trt.Runtime(self._flavour.logger)
            self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            reasons = "; ".join(self._flavour.logger.take())
            raise UserError(f"{path}: {self._flavour.name} cannot load it: {reasons}")
        self._idle: deque[Lane] = deque()
        weakref.finalize(self, _release, self._cuda, self._idle)
        self.facts = {
            "precision": str(passport.recipe.metadata["precision"]),
            "digest": passport.engine_digest,
            "backend": "tensorrt",
            "device": f"cuda:{device}",
            "sizes": str(self._profile),
            "cuda": self._cuda.name,
            "graphs": _graphs(self._cuda, self._flavour),
            self._flavour.name: self._flavour.version,
        }

    def start(self, *inputs: Frames) -> Callable[[], Frames]:
        """Enqueue a frame; what is returned waits for it and is to be called once."""
        self._check(inputs[1].shape[1:])
        lane = self._take()
        try:
            with self._cuda.active():
                lane.start(*inputs)
        except BaseException:
            self._put_back(lane)
            raise

        def finish() -> Frames:
            try:
                with self._cuda.active():
                    return lane.finish()
            finally:
                self._idle.append(lane)

        return finish

    def fuse_on_device(self, visible: Any, infrared: Any) -> Any:
        """Fuse arrays that lie on the GPU, (..., H, W, 3) and (..., H, W), without a copy.

        Returns:
            An array of the kind of `visible`, finished.
        """
        lane = self._take()
        try:
            with self._cuda.active():
                bgr, heat = (DeviceArray.of(x, lane.stream) for x in (visible, infrared))
                for name, array in (("visible", bgr), ("infrared", heat)):
                    array.check(name, self._device)
                if bgr.shape != (*heat.shape, 3) or len(heat.shape) not in (2, 3):
                    raise UserError(
                        f"visible has shape {bgr.shape} beside infrared {heat.shape} on the GPU, "
                        "expected (H, W, 3) and (H, W), or both with N in front"
                    )
                height, width = heat.shape[-2:]
                self._check((height, width))
                fused = empty_like(visible, bgr.shape)
                target = DeviceArray.of(fused, lane.stream)
                pixels = height * width
                for n in range(heat.shape[0] if len(heat.shape) == 3 else 1):
                    lane.fuse_on_device(
                        bgr.address + 3 * n * pixels,
                        heat.address + n * pixels,
                        target.address + 3 * n * pixels,
                        (height, width),
                    )
        except BaseException:
            self._put_back(lane)
            raise
        self._idle.append(lane)
        return fused

    def _check(self, size: tuple[int, ...]) -> None:
        (_, *low), _, (_, *high) = self._profile.shapes
        if not all(a <= n <= b for a, n, b in zip(low, size, high, strict=True)):
            raise UserError(
                f"frames are {size[0]}x{size[1]}, the engine takes {self._profile}; build one with "
                "ship-deploy build --min --opt --max"
            )

    def _take(self) -> Lane:
        try:
            return self._idle.pop()
        except IndexError:
            with self._cuda.active():
                return Lane(self._cuda, self._context(), self._flavour)

    def _put_back(self, lane: Lane) -> None:
        """After an error: emptied, so that nothing half done is left in it."""
        with self._cuda.active():
            lane.release()
        self._idle.append(lane)

    def _context(self) -> Any:
        trt, strategy = self._flavour.trt, self._flavour.trt.ExecutionContextAllocationStrategy
        if not self._flavour.targets:
            return self._engine.create_execution_context(strategy.USER_MANAGED)
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(strategy.USER_MANAGED)
        config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return self._engine.create_execution_context(config)


def parse_device(device: str) -> int:
    """Number of the GPU that "auto", "cuda" or "cuda:N" names."""
    found = re.fullmatch(r"auto|cuda(?::(\d+))?", device)
    if not found:
        raise UserError(f"device is {device!r}; TensorRT takes auto, cuda or cuda:N")
    return int(found[1] or 0)


def _graphs(cuda: Cuda, flavour: flavours.Flavour) -> str:
    if flavour.targets:
        return "by TensorRT-RTX"
    return "captured" if cuda.capture else f"off ({cuda.name} has none)"


def _release(cuda: Cuda, lanes: deque[Lane]) -> None:
    with cuda.active():
        for lane in lanes:
            lane.release()
