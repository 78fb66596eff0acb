"""All ways to run the network: an engine, on a device, in a type."""

from collections.abc import Iterable
from dataclasses import dataclass

from ship_deploy.errors import UserError

TITLES = {
    "eager": "PyTorch, eager",
    "compile": "PyTorch, torch.compile",
    "graph": "PyTorch, folded, CUDA graph",
    "rounded": "FP16 arithmetic, operation by operation",
    "onnxruntime": "ONNX Runtime",
    "tensorrt": "TensorRT",
    "tensorrt-pycuda": "TensorRT with PyCUDA",
    "tensorrt-rtx": "TensorRT-RTX",
    "tensorrt-rtx-pycuda": "TensorRT-RTX with PyCUDA",
}
TORCH = ("eager", "compile", "graph", "rounded")


@dataclass(frozen=True)
class Candidate:
    """One way to run the network.

    Attributes:
        engine: one of `TITLES`.
        device: "cpu" or "cuda".
        precision: "fp32" (without TF32), "tf32" (in convolutions), "fp16" or "bf16".
    """

    engine: str
    device: str
    precision: str

    @property
    def key(self) -> str:
        """What it is called on the command line."""
        return f"{self.engine}-{self.device}-{self.precision}"

    @property
    def title(self) -> str:
        """What it is called in a table."""
        device = {"cpu": "CPU", "cuda": "GPU"}[self.device]
        return f"{TITLES[self.engine]}, {device}, {self.precision.upper()}"

    @property
    def flavour(self) -> str | None:
        """The TensorRT that it needs, if any."""
        return self.engine.removesuffix("-pycuda") if self.engine.startswith("tensorrt") else None


_ON_CUDA = [
    Candidate(engine, "cuda", precision)
    for engine in TITLES
    if engine != "rounded"
    for precision in ("fp32", "fp16")
]
BASELINES = {device: Candidate("eager", device, "fp32") for device in ("cpu", "cuda")}
ON_CPU = [
    BASELINES["cpu"],
    Candidate("eager", "cpu", "bf16"),
    Candidate("compile", "cpu", "fp32"),
    Candidate("onnxruntime", "cpu", "fp32"),
    Candidate("onnxruntime", "cpu", "fp16"),
]
_TF32 = Candidate("eager", "cuda", "tf32")  # as PyTorch runs convolutions unless told not to
FOR_LATENCY = {"cpu": ON_CPU, "cuda": [_ON_CUDA[0], _TF32, *_ON_CUDA[1:]]}
FOR_FIDELITY = [
    Candidate("rounded", "cpu", "fp16"),
    *(candidate for candidate in ON_CPU if candidate.engine == "onnxruntime"),
    # A CUDA graph and PyCUDA run the same kernels as their plain brothers.
    *(c for c in _ON_CUDA if c.engine != "graph" and not c.engine.endswith("pycuda")),
]


def choose(keys: Iterable[str], among: Iterable[Candidate]) -> list[Candidate]:
    """The candidates of these keys, in the order of the table; all if there are no keys.

    Raises:
        UserError: a key is none of theirs.
    """
    known, wanted = {c.key: c for c in among}, set(keys)
    if unknown := sorted(wanted - known.keys()):
        raise UserError(f"unknown candidate {unknown[0]!r}, expected one of: {', '.join(known)}")
    return [c for key, c in known.items() if key in wanted or not wanted]
