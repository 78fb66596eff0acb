"""What NVIDIA's libraries do on a GPU that nobody promised: each probe in a process of its own."""

import json
import statistics
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ship_deploy import Fuser
from ship_deploy.backends.providers import GpuOptions, preload_cuda
from ship_deploy.engines.flavour import load
from ship_deploy.errors import UserError
from training.scenes import render

Size = tuple[int, int]  # height, width
TARGETS = ("default", "current")  # of an engine: what the builder does by itself, or this GPU
SEARCHES = ("HEURISTIC", "EXHAUSTIVE", "DEFAULT")  # for cuDNN's kernels
WAYS = ("NumPy arrays", "NumPy arrays, CUDA graph", "tensors of PyTorch on the GPU")
CALLS = 20


def version(flavour: str) -> str:
    """Of a TensorRT that loads."""
    return load(flavour).version


def run_engine(path: Path, size: Size) -> str:
    """Load an engine of TensorRT-RTX, whatever it is for, and fuse a frame.

    Raises:
        UserError: it does not load or run, in TensorRT's words.
    """
    return _run(path.read_bytes(), size)


def build_and_run(model: Path, target: str, size: Size) -> str:
    """Build an engine of TensorRT-RTX here for one of `TARGETS`, load it, and fuse a frame.

    Raises:
        UserError: it cannot be built, loaded or run, in TensorRT's words.
    """
    flavour = load("tensorrt-rtx")
    trt, logger = flavour.trt, flavour.logger
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # its constructor returned nothing
        raise UserError(f"the builder does not start: {_words(logger)}") from error
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.read_bytes()):
        raise UserError(f"the model is not read: {_words(logger)}")
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    for name, shape in (("visible", (1, *size, 3)), ("infrared", (1, *size))):
        profile.set_shape(name, shape, shape, shape)
    config.add_optimization_profile(profile)
    if target == "current":
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.CURRENT, 0)
    start = time.perf_counter()
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise UserError(f"not built: {_words(logger)}")
    return f"built in {time.perf_counter() - start:.1f} s; {_run(bytes(engine), size)}"


def time_bundled(name: str, size: Size) -> list[dict[str, Any]]:
    """A bundled model in ONNX Runtime's CUDA provider, each of `WAYS`.

    Returns:
        Seconds of the first frame, of the median and of the slowest one of the others, and the
        largest difference in grey levels from the same model on the CPU.
    """
    import torch

    pair = render(0, *size)
    expected = Fuser(name, device="cpu")(*pair).astype(int)
    rows = []
    for way in WAYS:
        fuser = Fuser(name, device="cuda", gpu=GpuOptions(graph=way == WAYS[1]))
        frames: Any = [torch.from_numpy(f).cuda() for f in pair] if way == WAYS[2] else pair
        times = [time.perf_counter()]
        for _ in range(1 + CALLS):
            fused = fuser(*frames)
            times.append(time.perf_counter())
        first, *others = [b - a for a, b in pairwise(times)]
        picture = np.asarray(fused.cpu() if way == WAYS[2] else fused).astype(int)
        rows.append(
            {
                "model": name,
                "way": way,
                "first": first,
                "median": statistics.median(others),
                "slowest": max(others),
                "difference": int(np.abs(picture - expected).max()),
            }
        )
    return rows


def try_searches(model: Path, size: Size) -> list[dict[str, Any]]:
    """Each of `SEARCHES` in ONNX Runtime's CUDA provider.

    Returns:
        Seconds to load, of the first frame and of the median one; and what runs on the processor.
    """
    return [_search(model, search, size) for search in SEARCHES]


def _search(model: Path, search: str, size: Size) -> dict[str, Any]:
    import onnxruntime as ort

    preload_cuda(ort)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    settings = {"use_tf32": "0", "cudnn_conv_algo_search": search}
    providers = [("CUDAExecutionProvider", settings)]
    visible, infrared = render(0, *size)
    feeds = {"visible": visible[None], "infrared": infrared[None]}
    times = [time.perf_counter()]
    session = ort.InferenceSession(model, options, providers=providers)
    times.append(time.perf_counter())
    if providers[0][0] not in session.get_providers():
        raise UserError("ONNX Runtime could not start CUDA")
    for _ in range(1 + CALLS):
        session.run(None, feeds)
        times.append(time.perf_counter())
    load_, first, *others = [b - a for a, b in pairwise(times)]
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/nodes"
        profiled = ort.InferenceSession(model, options, providers=providers)
        profiled.run(None, feeds)
        events = json.loads(Path(profiled.end_profiling()).read_text())
    nodes = [e["args"] for e in events if e["name"].endswith("_kernel_time")]
    elsewhere = Counter(n["op_name"] for n in nodes if n["provider"] == "CPUExecutionProvider")
    return {
        "model": model.name,
        "search": search,
        "load": load_,
        "first": first,
        "median": statistics.median(others),
        "nodes": len(nodes),
        "on_processor": dict(elsewhere),
    }


def _run(engine: bytes, size: Size) -> str:
    flavour = load("tensorrt-rtx")
    flavour.logger.take()
    runtime = flavour.trt.Runtime(flavour.logger)
    if runtime.deserialize_cuda_engine(engine) is None:
        raise UserError(f"not loaded: {_words(flavour.logger)}")
    from benchmarks.loading import infer_with_polygraphy  # with torch, which takes seconds

    visible, infrared = render(0, *size)
    infer = infer_with_polygraphy("tensorrt-rtx", engine)
    fused = infer({"visible": visible[None], "infrared": infrared[None]})["fused"]
    return f"loads and runs, mean level {fused.mean():.1f}"


def _words(logger: Any) -> str:
    return "; ".join(logger.take())[:400] or "without a word"
