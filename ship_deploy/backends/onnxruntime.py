"""ONNX Runtime: any CPU, and NVIDIA GPUs without TensorRT."""

import ctypes
import io
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ship_deploy.artifact import VERSION, Artifact
from ship_deploy.backends.info import Info
from ship_deploy.cuda.gpu import parse_device
from ship_deploy.errors import UserError, how_to_install
from ship_deploy.processors import usable_processors

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_CUDA_OPTIONS = {
    # On by default, it keeps 10 bits of the mantissa; what the model says is FP32 stays FP32.
    "use_tf32": "0",
    # The default, EXHAUSTIVE, times kernels at the first frame of every size: that takes long, and
    # which kernel wins, so which bits come out, differs from run to run.
    "cudnn_conv_algo_search": "HEURISTIC",
}


class OnnxRuntime:
    """A model in an ONNX Runtime session.

    Args:
        artifact: the model.
        device: "cpu", "cuda", "cuda:N", or "auto": CUDA where this ONNX Runtime was built with it.
        threads: of the CPU, for one call; all that this process may use if None. They do not spin
            while idle: a robot has other work for its cores.

    Raises:
        UserError: ONNX Runtime is missing, or cannot use the device.
    """

    frames_in_flight = 1

    def __init__(self, artifact: Artifact, device: str, threads: int | None) -> None:
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise UserError(f"threads is {threads!r}, expected a whole number from 1 up")
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise UserError(
                f"ONNX Runtime is not installed: {how_to_install('cpu')}, or '.[gpu]' for CUDA"
            ) from error
        index = _gpu(device, ort.get_available_providers())
        provider = _CPU if index is None else _CUDA
        threads = threads or usable_processors()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A block planned for all features of a size at once holds twice as much as is ever in use.
        options.enable_mem_pattern = False
        options.log_severity_level = 4  # what matters is raised, below
        settings: list[Any] = [_CPU]
        said = ""
        if index is not None:
            # Device 0 is the default; to name it makes ONNX Runtime 1.26 to 1.31 print a warning.
            chosen = {"device_id": str(index)} if index else {}
            settings = [(_CUDA, chosen | _CUDA_OPTIONS)]
            said = preload_cuda(ort)
        self._open = partial(ort.InferenceSession, artifact.content, options, providers=settings)
        self._opening = threading.Lock()
        self._process = os.getpid()
        try:
            self._session = self._open()
            self._names = [node.name for node in self._session.get_inputs()]
        except Exception as error:  # its exception types are private and differ by version
            raise UserError(
                f"{artifact.path}: ONNX Runtime cannot load it ({_first_line(error)})"
            ) from error
        _made.add(self)
        if provider not in self._session.get_providers():
            raise UserError(
                f"ONNX Runtime could not start CUDA on device {index}"
                f"{f' ({said})' if said else ''}; see ship-deploy doctor"
            )
        self.info = Info(
            model=str(artifact.path),
            precision=artifact.metadata.get("precision", "unknown"),
            digest=artifact.digest,
            backend="onnxruntime",
            device="cpu" if index is None else f"cuda:{index}",
            versions={"onnxruntime": ort.__version__, "ship-deploy": VERSION},
            threads=threads,
        )

    def abandon(self) -> None:
        """Keep the session for ever, and open another one before the next frame."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
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
        if len(self._names) != len(inputs):
            raise UserError(f"{self.info.model}: takes {len(self._names)} inputs, not two frames")
        feeds = dict(zip(self._names, inputs, strict=True))
        try:
            output: NDArray[Any] = self._session.run(None, feeds)[0]
        except Exception as error:  # its exception types are private and differ by version
            raise UserError(
                f"{self.info.model}: the model failed ({_first_line(error)})"
            ) from error
        if (output.shape, output.dtype) != (inputs[0].shape, inputs[0].dtype):
            raise UserError(
                f"{self.info.model}: gives {output.dtype} {output.shape} for a frame of "
                f"{inputs[0].dtype} {inputs[0].shape}; export it again with python -m export"
            )
        return output


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_made: weakref.WeakSet[OnnxRuntime] = weakref.WeakSet()


def _after_fork() -> None:
    """In a child of `os.fork`, which has none of its parent's threads.

    A session that is freed waits for its threads, so the child would never end. It is not freed.
    """
    for backend in _made:
        backend.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def preload_cuda(ort: Any) -> str:
    """Load CUDA and cuDNN from NVIDIA's wheels, where nothing else in the process has done so.

    Returns:
        What could not be loaded; "" if all could.
    """
    if not hasattr(ort, "preload_dlls"):  # from 1.21 on
        return ""
    with redirect_stdout(io.StringIO()) as said:  # it prints what it does not find
        ort.preload_dlls()
    return " ".join(said.getvalue().split())


def _gpu(device: str, available: list[str]) -> int | None:
    """Number of the GPU to run on; None for the CPU."""
    index = parse_device(device)
    if index is None:
        return 0 if device == "auto" and _CUDA in available else None
    if _CUDA not in available:
        raise UserError(
            "this ONNX Runtime has no CUDA: pip uninstall onnxruntime, "
            f"then {how_to_install('gpu')}"
        )
    return index
