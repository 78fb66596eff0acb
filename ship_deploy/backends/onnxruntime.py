"""ONNX Runtime: any CPU, and NVIDIA GPUs without TensorRT."""

import os
import re
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ship_deploy.artifact import VERSION, Artifact
from ship_deploy.backends.binding import Binding, run_on_device
from ship_deploy.backends.checks import check_inputs, check_output, threads_of_a_call
from ship_deploy.backends.forks import keep, mind_forks
from ship_deploy.backends.info import Info
from ship_deploy.backends.providers import (
    CPU,
    PROVIDERS,
    RTX,
    TENSORRT,
    GpuOptions,
    find_device,
    preload_cuda,
    request,
)
from ship_deploy.cuda import load
from ship_deploy.cuda.arrays import DeviceArray, empty_like, look_at_frames
from ship_deploy.cuda.faults import failure
from ship_deploy.errors import UserError, how_to_install

_STATUS = re.compile(r"CUDA failure (\d+):")  # in ONNX Runtime's words for a call that failed


class OnnxRuntime:
    """A model in an ONNX Runtime session.

    Args:
        artifact: the model.
        device: "cpu", "cuda", "cuda:N", or "auto": CUDA where this ONNX Runtime was built with it.
        threads: of the CPU, for one call; all that this process may use if None. They do not spin
            while idle: a robot has other work for its cores.
        backend: one of `PROVIDERS`.
        gpu: how a GPU is used.

    Raises:
        UserError: ONNX Runtime is missing, or cannot use the device.
    """

    frames_in_flight = 1

    def __init__(
        self,
        artifact: Artifact,
        device: str,
        threads: int | None,
        backend: str = "onnxruntime",
        gpu: GpuOptions | None = None,
    ) -> None:
        threads = threads_of_a_call(threads)
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise UserError(
                f"ONNX Runtime is not installed: {how_to_install('cpu')}, or '.[gpu]' for CUDA"
            ) from error
        index = find_device(backend, device, ort)
        provider = CPU if index is None else PROVIDERS[backend]
        if index is None and gpu is not None:
            raise UserError("gpu is for a GPU, and ONNX Runtime is to run on the CPU")
        precision = artifact.metadata.get("precision", "unknown")
        if provider == TENSORRT and precision != "fp32":
            raise UserError(
                f"{artifact.path}: {precision}; onnxruntime-tensorrt does not keep the types of a "
                "model, so it takes fp32 only; backend tensorrt takes both"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A block planned for all features of a size at once holds twice as much as is ever in use.
        options.enable_mem_pattern = False
        options.log_severity_level = 4  # what matters is raised, below
        self._ort, self._index, self._gpu = ort, index, gpu or GpuOptions()
        settings: list[Any] = [CPU]
        said = ""
        if index is not None:
            said = preload_cuda(ort)
            settings = request(ort, provider, index, self._gpu, options)
        self._open = partial(_open, ort, artifact.content, options, settings or None)
        self._opening = threading.Lock()
        self._process = os.getpid()
        try:
            self._session = self._open()
            self._names = [node.name for node in self._session.get_inputs()]
        except Exception as error:  # its exception types are private and differ by version
            raise UserError(
                f"{artifact.path}: ONNX Runtime cannot load it ({_first_line(error)})"
            ) from error
        mind_forks(self)
        if provider not in self._session.get_providers():
            raise UserError(
                f"ONNX Runtime could not start {_name(provider)} on device {index}"
                f"{f' ({said})' if said else ''}; see ship-deploy doctor"
            )
        self.info = Info(
            model=str(artifact.path),
            precision=precision,
            digest=artifact.digest,
            backend=backend,
            device="cpu" if index is None else f"cuda:{index}",
            versions={"onnxruntime": ort.__version__, "ship-deploy": VERSION},
            threads=threads,
            graphs="captured" if self._gpu.graph else None,
        )
        # A stream and the buffers of a graph are for one frame at a time.
        shared = self._gpu.graph or self._gpu.stream is not None
        self._alone = threading.Lock() if shared else nullcontext()
        self._bound: Binding | None = None

    def abandon(self) -> None:
        """Keep the session for ever, and open another one before the next frame."""
        keep(self._session)
        self._opening = threading.Lock()  # that of the parent may be held

    def _open_again(self) -> None:
        with self._opening:
            if self._process == os.getpid():
                return
            if self.info.device != "cpu":
                raise UserError(
                    "this Fuser was made before os.fork, and CUDA does not work across it; make "
                    "one in each process, or start processes by spawn"
                )
            self._session = self._open()
            self._process = os.getpid()

    def start(self, *inputs: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        """The work itself is done when what is returned is called."""
        return partial(self.run, *inputs)

    def run(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        """The graph's output; a session may run in several threads at once.

        Raises:
            UserError: the model cannot compute these frames, or gives something else than a frame;
                or in a process that was forked from the one that opened a session on a GPU.
        """
        if self._process != os.getpid():
            self._open_again()
        check_inputs(self.info.model, len(self._names), len(inputs))
        output: NDArray[Any] = self._in_one_line(
            self._replay if self._gpu.graph else self._run, inputs
        )
        check_output(self.info.model, output, inputs[0])
        return output

    def fuse_on_device(self, visible: Any, infrared: Any) -> Any:
        """Fuse arrays that lie on the GPU, (..., H, W, 3) and (..., H, W), without a copy.

        Returns:
            An array of the kind of `visible`, finished.

        Raises:
            UserError: on the CPU, or with a graph; arrays of other kinds, shapes or devices.
        """
        if self._index is None or self._gpu.graph or PROVIDERS[self.info.backend] == RTX:
            how = "with a graph" if self._gpu.graph else f"on {self.info.device}"
            raise UserError(
                f"{self.info.backend} {how} takes numpy arrays; arrays on the GPU need tensorrt, "
                "or onnxruntime with device cuda and without a graph"
            )
        if self._process != os.getpid():
            self._open_again()
        cuda = load("cuda-python", self._index)
        with cuda.active(), self._alone:
            own = None if self._gpu.stream else cuda.stream()
            stream = own.handle if own else self._gpu.stream or 0
            bgr, ir = look_at_frames(visible, infrared, stream, self._index)
            fused = empty_like(visible, bgr.shape)
            target = DeviceArray.of(fused, stream)
            if own:  # that of ONNX Runtime does not wait for it
                own.synchronize()
            for v, i, f in zip(bgr.frames(3), ir.frames(2), target.frames(3), strict=True):
                self._in_one_line(run_on_device, (self._session, self._index, [v, i], f))
        return fused

    def _run(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        with self._alone:
            output: NDArray[Any] = self._session.run(
                None, dict(zip(self._names, inputs, strict=True))
            )[0]
            return output

    def _replay(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        shapes = tuple(frame.shape for frame in inputs)
        with self._alone:
            if self._bound is None:
                self._bound = Binding(self._ort, self._session, self._index or 0, shapes)
            if self._bound.shapes != shapes:
                height, width = self._bound.shapes[0][1:3]
                raise UserError(
                    f"the graph is for frames of {height}x{width}, as the first one was"
                )
            return self._bound.run(*inputs)

    def _in_one_line(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            return work(*arguments)
        except UserError:
            raise
        except Exception as error:  # its exception types are private and differ by version
            said = _first_line(error)
            status = _STATUS.search(said)
            raise failure(
                int(status[1]) if status else 0, f"{self.info.model}: the model failed ({said})"
            ) from error


def _open(ort: Any, content: bytes, options: Any, providers: list[Any] | None) -> Any:
    # Or it prints on standard output what failed, and runs on the CPU, then and later.
    session = ort.InferenceSession(content, options, providers=providers, enable_fallback=0)
    session.disable_fallback()  # what 1.21 and older listen to
    return session


def _name(provider: str) -> str:
    return provider.removesuffix("ExecutionProvider")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
