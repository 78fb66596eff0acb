"""The two flavours of TensorRT, `tensorrt` and `tensorrt-rtx`: two packages, one interface."""

import importlib
import importlib.util
import threading
from dataclasses import dataclass
from typing import Any

from ship_deploy.errors import UserError, how_to_install

MODULES = {
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt_rtx",
}  # the first installed is taken
_MINIMUM = (10, 3)  # of tensorrt, as JetPack 6 has it; what `pyproject.toml` asks for
_loading = threading.Lock()
_loaded: dict[str, "Flavour"] = {}


@dataclass(frozen=True)
class Flavour:
    """TensorRT or TensorRT for RTX, imported.

    Attributes:
        name: "tensorrt" or "tensorrt-rtx".
        trt: the module.
        logger: what every builder and runtime of this process must be made with; TensorRT keeps
            the first that it is given.
        targets: whether it builds for named compute capabilities, with no GPU at hand. If not, it
            times kernels on the GPU that it builds for, and keeps the times in a timing cache.
    """

    name: str
    trt: Any
    logger: Any
    targets: bool

    @property
    def version(self) -> str:
        """For example "10.13.3.9"."""
        return str(self.trt.__version__)


def load(name: str | None = None) -> Flavour:
    """Import a flavour; without a name the first of `MODULES` that is installed.

    Raises:
        UserError: unknown, not installed, too old, or it does not load.
    """
    if name is None:
        installed = [n for n, module in MODULES.items() if importlib.util.find_spec(module)]
        if not installed:
            raise UserError(
                f"TensorRT is not installed: {how_to_install('tensorrt')}, "
                "or '.[tensorrt-rtx]' for RTX GPUs"
            )
        name = installed[0]
    if name not in MODULES:
        raise UserError(f"unknown flavour {name!r}, expected one of: {', '.join(MODULES)}")
    with _loading:
        if name not in _loaded:
            _loaded[name] = _load(name)
        return _loaded[name]


def _load(name: str) -> Flavour:
    try:
        trt: Any = importlib.import_module(MODULES[name])
    except ModuleNotFoundError as error:
        raise UserError(f"{MODULES[name]} is not installed: {how_to_install(name)}") from error
    except (ImportError, OSError) as error:  # its libraries, or those of CUDA
        raise UserError(f"{MODULES[name]} is installed but does not load ({error})") from error
    if name == "tensorrt" and tuple(map(int, trt.__version__.split(".")[:2])) < _MINIMUM:
        wanted = ".".join(map(str, _MINIMUM))
        raise UserError(f"tensorrt is {trt.__version__}, expected at least {wanted}")
    return Flavour(name, trt, _logger(trt), targets=name == "tensorrt-rtx")


def _logger(trt: Any) -> Any:
    class Messages(trt.ILogger):  # type: ignore[misc]
        """Keeps errors instead of printing them; `take` hands them over."""

        def __init__(self) -> None:
            super().__init__()
            self._errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self._errors.append(" ".join(message.split()))

        def take(self) -> list[str]:
            """The errors since the last time, oldest first."""
            errors, self._errors = self._errors, []
            return errors

    return Messages()
