"""Engines that can run a model. Each is one file with one class that satisfies `Backend`."""

from typing import Any, Protocol

from numpy.typing import NDArray

from ship_deploy.artifact import Artifact
from ship_deploy.errors import UserError

NAMES = ("onnxruntime",)


class Backend(Protocol):
    """Runs one model on one device."""

    facts: dict[str, str]
    """Backend, device, threads, versions; for `Fuser.info`."""

    def run(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        """The graph's output for its inputs, in their order; safe to call from several threads."""
        ...


def load(artifact: Artifact, backend: str, device: str, threads: int | None) -> Backend:
    """The backend called `backend` ("auto": the best that is installed) with a model in it."""
    match backend:
        case "auto" | "onnxruntime":
            from ship_deploy.backends.onnxruntime import OnnxRuntime

            return OnnxRuntime(artifact, device, threads)
    raise UserError(f"unknown backend {backend!r}, expected auto or one of: {', '.join(NAMES)}")
