"""The floor under a latency: a graph's operations and bytes over what the machine can do.

Counted where ONNX Runtime runs the graph unchanged: two operations for each multiplication of a
convolution or a matrix product; and every value that those, norms and means read or write once, as
if all between them were fused. Rates are PyTorch's on the same threads or GPU: a large matrix
product, and a large copy. No engine that keeps its features in memory is faster than the larger of
the two times; one whose caches hold features can pass the time of the bytes.
"""

import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort
import torch

from benchmarks.models import Size
from ship_deploy.files import write_atomically
from training.scenes import render

HEAVY = {"Conv", "MatMul", "ReduceMean", "InstanceNormalization"}
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
TRIED = 256  # of the first ones, which show how long larger ones would take
LONGEST = 2.0  # seconds that one product may take
COPY = 1 << 28  # bytes
ROUNDS = 5
TYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
BYTES = {"float": 4, "float16": 2, "double": 8, "uint8": 1, "int64": 8, "int32": 4, "bool": 1}


@dataclass(frozen=True)
class Work:
    """Of one frame.

    Attributes:
        operations: multiplications and additions of convolutions and matrix products.
        bytes: read and written by these, by norms and by means.
    """

    operations: int
    bytes: int


@dataclass(frozen=True)
class Rates:
    """What a device can do in a second.

    Attributes:
        operations: in a matrix product.
        bytes: read and written by a copy.
    """

    operations: float
    bytes: float


def seconds(work: Work, rates: Rates) -> float:
    """The floor: computing or moving, whichever takes longer."""
    return max(work.operations / rates.operations, work.bytes / rates.bytes)


def count(model: Path, size: Size) -> Work:
    """The work of a frames graph for one frame of a size; kept beside the model, once counted."""
    known = model.with_suffix(f".{size[0]}x{size[1]}.work.json")
    if not known.exists():
        write_atomically(known, json.dumps(asdict(_count(model, size))).encode())
    return Work(**json.loads(known.read_text()))


def _count(model: Path, size: Size) -> Work:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.disable_prepacking", "1")  # so weights are inputs
    options.enable_profiling = True
    visible, infrared = render(0, *size)
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/nodes"
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        session.run(None, {"visible": visible[None], "infrared": infrared[None]})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [e["args"] for e in events if e["name"].endswith("_kernel_time")]
    heavy = [node for node in nodes if node["op_name"] in HEAVY]
    return Work(sum(map(_operations, heavy)), sum(map(_bytes, heavy)))


def measure(device: str, precision: str) -> Rates:
    """The best of a few rounds on a device, with torch's threads.

    Where a type is emulated, as FP16 is on most CPUs, large matrices would take minutes each, so
    they are smaller there.
    """
    dtype = TYPES[precision]

    def matrices(side: int) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        return a, b

    a, b = matrices(TRIED)
    side = side_for(_fastest(lambda: a @ b, device), SIDE[device])
    a, b = matrices(side)
    source = torch.empty(COPY, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    product = _fastest(lambda: a @ b, device)
    torch.backends.cuda.matmul.allow_tf32 = False
    return Rates(
        operations=2 * side**3 / product,
        bytes=2 * COPY / _fastest(lambda: target.copy_(source), device),
    )


def side_for(seconds: float, largest: int) -> int:
    """Side of the matrices whose product takes `LONGEST` at most, by that of one of `TRIED`."""
    fits = TRIED * (LONGEST / max(seconds, 1e-9)) ** (1 / 3)
    return min(largest, max(64, int(fits) // 64 * 64))


def _fastest(work: Callable[[], object], device: str) -> float:
    times = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _shapes(node: dict[str, Any], side: str) -> list[tuple[str, list[int]]]:
    return [next(iter(value.items())) for value in node[f"{side}_type_shape"] if value]


def _operations(node: dict[str, Any]) -> int:
    inputs, outputs = _shapes(node, "input"), _shapes(node, "output")
    match node["op_name"]:
        case "Conv":
            each = math.prod(inputs[1][1][1:])  # channels of a group, kernel height, kernel width
        case "MatMul":
            each = inputs[0][1][-1]
        case _:
            return 0
    return 2 * each * math.prod(outputs[0][1])


def _bytes(node: dict[str, Any]) -> int:
    values = _shapes(node, "input") + _shapes(node, "output")
    return sum(BYTES[kind] * math.prod(shape) for kind, shape in values)
