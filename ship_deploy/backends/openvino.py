"""OpenVINO: CPUs, where it is quicker than ONNX Runtime on some models."""

import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ship_deploy.artifact import VERSION, Artifact
from ship_deploy.backends.checks import check_inputs, check_output, threads_of_a_call
from ship_deploy.backends.forks import keep, mind_forks
from ship_deploy.backends.info import Info
from ship_deploy.errors import UserError, how_to_install

_TELEMETRY = "openvino_telemetry"
_SIZES = 4  # of frames, for which what was compiled is kept

Shapes = tuple[tuple[int, ...], ...]


class OpenVINO:
    """A model in OpenVINO, compiled for each size of frame at its first one.

    For any size at once, it would be compiled to something half as fast.

    Args:
        artifact: the model, FP32.
        device: "cpu" or "auto", which is the same.
        threads: for one call; all that this process may use if None.

    Raises:
        UserError: OpenVINO is missing, or cannot run the model there.
    """

    frames_in_flight = 1

    def __init__(self, artifact: Artifact, device: str, threads: int | None) -> None:
        threads = threads_of_a_call(threads)
        if device not in ("auto", "cpu"):
            raise UserError(f"device is {device!r}; openvino takes auto or cpu")
        precision = artifact.metadata.get("precision", "unknown")
        if precision != "fp32":
            raise UserError(
                f"{artifact.path}: {precision}; openvino does not keep the types of a model, so it "
                "takes fp32 only"
            )
        ov = _import()
        self._content = artifact.content
        self._options = {
            "INFERENCE_PRECISION_HINT": "f32",  # or it computes in BF16 where the CPU has that
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        self._core = ov.Core()
        try:
            self._names = [node.any_name for node in self._core.read_model(self._content).inputs]
        except Exception as error:  # RuntimeError, as of 2026.4
            raise UserError(
                f"{artifact.path}: OpenVINO cannot load it ({_reason(error)})"
            ) from error
        self._compiled: dict[Shapes, _Compiled] = {}  # the newest last
        self._compiling = threading.Lock()
        mind_forks(self)
        self.info = Info(
            model=str(artifact.path),
            precision=precision,
            digest=artifact.digest,
            backend="openvino",
            device="cpu",
            versions={"openvino": ov.get_version().split("-")[0], "ship-deploy": VERSION},
            threads=threads,
        )

    def abandon(self) -> None:
        """Keep what is compiled for ever, and compile anew before the next frame."""
        keep(self._core)
        for compiled in self._compiled.values():
            keep(compiled.model, *compiled.idle)
        self._core = type(self._core)()
        self._compiled = {}
        self._compiling = threading.Lock()  # that of the parent may be held

    def start(self, *inputs: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        """The work itself is done when what is returned is called."""
        return partial(self.run, *inputs)

    def run(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        """The graph's output; several threads may call it at once.

        Raises:
            UserError: the model cannot compute these frames, or gives something else than a frame.
        """
        check_inputs(self.info.model, len(self._names), len(inputs))
        try:
            compiled = self._compile(tuple(frame.shape for frame in inputs))
            output = compiled.run(list(inputs))
        except Exception as error:  # RuntimeError, as of 2026.4
            raise UserError(f"{self.info.model}: the model failed ({_reason(error)})") from error
        check_output(self.info.model, output, inputs[0])
        return output

    def _compile(self, shapes: Shapes) -> "_Compiled":
        """The model for frames of these shapes; made once, and kept among the newest."""
        with self._compiling:
            compiled = self._compiled.pop(shapes, None)
            if compiled is None:
                model = self._core.read_model(self._content)
                model.reshape(dict(zip(self._names, shapes, strict=True)))
                compiled = _Compiled(self._core.compile_model(model, "CPU", self._options))
            self._compiled[shapes] = compiled
            for oldest in list(self._compiled)[:-_SIZES]:
                del self._compiled[oldest]
        return compiled


class _Compiled:
    """A model for frames of one size, and requests, each of which computes one at a time."""

    def __init__(self, model: Any) -> None:
        self.model, self.idle = model, list[Any]()

    def run(self, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        try:
            request = self.idle.pop()
        except IndexError:
            request = self.model.create_infer_request()
        output: NDArray[Any] = request.infer(inputs, share_inputs=True)[0]  # a copy
        self.idle.append(request)
        return output


def _reason(error: Exception) -> str:
    """Its last line; those before say where in OpenVINO's source it came up."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _import() -> Any:
    """OpenVINO, without its telemetry, which would report each import to Google Analytics."""
    unset = object()
    before = sys.modules.get(_TELEMETRY, unset)
    sys.modules.setdefault(_TELEMETRY, None)  # type: ignore[arg-type]  # None: cannot be imported
    try:
        import openvino
    except ImportError as error:
        raise UserError(f"OpenVINO is not installed: {how_to_install('openvino')}") from error
    finally:
        if before is unset:
            del sys.modules[_TELEMETRY]
    return openvino
