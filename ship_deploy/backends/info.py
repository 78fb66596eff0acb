"""What fuses: the model, and what it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Info:
    """What a `Fuser` runs.

    Attributes:
        model: path of the model or engine that was asked for, or address of the model.
        precision: "fp32" or "fp16".
        digest: SHA-256 of the file that runs, in hex: the ONNX model as sealed, or the engine.
        backend: as asked for, such as "onnxruntime", "tensorrt" or "triton".
        device: "cpu", "cuda:0", ...; of Triton, its backend for the model and where it is.
        versions: package -> version, of ship-deploy and of the inference engine.
        threads: CPU threads of one call; None with TensorRT, or on a server.
        sizes: the frames that an engine takes; None for any.
        cuda: what handles an engine's device memory, "cuda-python" or "pycuda"; None without one.
        graphs: whether it runs as a CUDA graph, and if not, why; None where nobody asked for one.
    """

    model: str
    precision: str
    digest: str
    backend: str
    device: str
    versions: Mapping[str, str]
    threads: int | None = None
    sizes: str | None = None
    cuda: str | None = None
    graphs: str | None = None

    def as_dict(self) -> dict[str, str]:
        """All that is not None as text, a version under its package's name; for JSON and pages."""
        fields: dict[str, Any] = {k: v for k, v in vars(self).items() if k != "versions"}
        known = {name: str(value) for name, value in fields.items() if value is not None}
        return {**known, **self.versions}
