"""Candidates made ready to run."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from benchmarks.arithmetic import HalfArithmetic
from benchmarks.candidates import TORCH, Candidate
from benchmarks.models import Models, Size
from export.build import Graph
from export.fold import fold
from export.precision import narrow
from export.verify import planes
from ship_deploy import Fuser
from ship_deploy.artifact import read_artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames
from training.checkpoints import load_network
from training.colour import fuse_frames

Fuse = Callable[[Frames, Frames], Frames]  # (H, W, 3) and (H, W) -> (H, W, 3)
Batches = tuple[Frames, NDArray[Any]]  # fused (N, H, W, 3), unclamped luminance (N, 1, H, W)
Tensors = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Loaded(NamedTuple):
    """A candidate that is ready.

    Attributes:
        fuse: from host memory to host memory, finished.
        place: puts a pair on the device; what it returns fuses it there and waits. None on a CPU,
            or where no torch can place it.
    """

    fuse: Fuse
    place: Callable[[Frames, Frames], Callable[[], object]] | None = None


def load(candidate: Candidate, models: Models, size: Size) -> Loaded:
    """Make a candidate ready for frames of one size.

    Raises:
        UserError: it cannot run here, and why.
    """
    if candidate.engine in TORCH:
        return _load_torch(candidate, models)
    fuser = Fuser(**fuser_options(candidate, models, size))
    if candidate.flavour is None or not torch.cuda.is_available():
        return Loaded(fuser)

    def place(*frames: Frames) -> Callable[[], object]:
        tensors: list[Any] = [torch.from_numpy(frame).cuda() for frame in frames]
        return lambda: fuser(*tensors)

    return Loaded(fuser, place)


def fuser_options(candidate: Candidate, models: Models, size: Size | None) -> dict[str, Any]:
    """The arguments that make a `Fuser` this candidate; its model or engine is made if need be.

    Raises:
        UserError: an engine cannot be built here, and why.
    """
    if candidate.flavour is None:
        model = models.onnx(candidate.precision)
        return {"model": str(model), "backend": "onnxruntime", "device": candidate.device}
    cuda = "pycuda" if candidate.engine.endswith("-pycuda") else "cuda-python"
    engine = models.engine(candidate.flavour, candidate.precision, size)
    return {"model": str(engine), "device": candidate.device, "cuda": cuda}


def load_graphs(candidate: Candidate, models: Models) -> Callable[[Frames, Frames], Batches]:
    """What a candidate makes of batches of any size, of its frames and its luminance graph.

    Raises:
        UserError: it cannot run here, and why.
    """
    if candidate.engine in TORCH:
        fuse = _torch_function(candidate, models)

        def both(*frames: Frames) -> Batches:
            fused, raw = fuse(*(torch.from_numpy(x).to(candidate.device) for x in frames))
            return fused.cpu().numpy(), raw.float().cpu().numpy()

        return both
    if candidate.flavour is None:
        models_of = {g: read_artifact(models.onnx(candidate.precision, g)) for g in Graph}
        run = {g: OnnxRuntime(m, candidate.device, None).run for g, m in models_of.items()}
        return lambda *batch: (run[Graph.FRAMES](*batch), run[Graph.LUMINANCE](*planes(*batch)))
    fuser = Fuser(**fuser_options(candidate, models, None))
    engine = models.engine(candidate.flavour, candidate.precision, None, Graph.LUMINANCE)
    infer = infer_with_polygraphy(candidate.flavour, engine.read_bytes())

    def fuse_both(*batch: Frames) -> Batches:
        visible, infrared = planes(*batch)
        return fuser(*batch), infer({"visible_y": visible, "infrared": infrared})["fused_y"]

    return fuse_both


Arrays = dict[str, NDArray[Any]]


def infer_with_polygraphy(flavour: str, engine: bytes) -> Callable[[Arrays], Arrays]:
    """Run any engine, inputs and outputs by name. One flavour in a process.

    Raises:
        UserError: polygraphy is not installed, or the engine does not run.
    """
    if flavour == "tensorrt-rtx":
        os.environ["POLYGRAPHY_USE_TENSORRT_RTX"] = "1"
    quiet_polygraphy()
    from polygraphy.backend.trt import EngineFromBytes, TrtRunner

    runner = TrtRunner(EngineFromBytes(engine))
    try:
        runner.activate()
    except Exception as error:  # polygraphy's and TensorRT's, of many types
        raise UserError(f"polygraphy cannot run the engine: {_line(error)}") from error
    return lambda feeds: dict(runner.infer(feeds))


def quiet_polygraphy() -> None:
    """Let polygraphy report errors alone.

    Raises:
        UserError: it is not installed.
    """
    try:
        from polygraphy.logger import G_LOGGER
    except ImportError as error:
        raise UserError("polygraphy is not installed: make install") from error
    G_LOGGER.module_severity = G_LOGGER.ERROR


def _load_torch(candidate: Candidate, models: Models) -> Loaded:
    fuse, device = _torch_function(candidate, models), candidate.device

    def run(*frames: Frames) -> Frames:
        fused: Frames = fuse(*_tensors(frames, device))[0][0].cpu().numpy()
        return fused

    if device == "cpu":
        return Loaded(run)
    if candidate.engine == "graph":
        fuse = _captured(fuse)

    def place(*frames: Frames) -> Callable[[], object]:
        tensors = _tensors(frames, device)

        def on_device() -> None:
            fuse(*tensors)
            torch.cuda.synchronize()

        return on_device

    return Loaded(run, place)


def _torch_function(candidate: Candidate, models: Models) -> Tensors:
    """Batches of frames, uint8 on the device, to fused ones and to the luminance."""
    if candidate.device == "cuda" and not torch.cuda.is_available():
        raise UserError("this torch has no CUDA, or finds no GPU")
    reference = load_network(models.checkpoint)
    network: torch.nn.Module = reference
    if candidate.precision == "fp16":
        network = narrow(reference)  # as plain half, the spectrum overflows
    elif candidate.engine == "graph":  # the unfolded one makes its kernels anew, on the host
        network = fold(reference)
    network = network.eval().to(candidate.device)

    def around() -> AbstractContextManager[object]:
        if candidate.engine == "rounded":
            return HalfArithmetic()
        if candidate.precision == "bf16":
            return torch.autocast(candidate.device, torch.bfloat16)
        return nullcontext()

    def fuse(visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(), around(), _cudnn(candidate.precision):
            return fuse_frames(network, visible, infrared)

    if candidate.engine == "compile":  # which does not take inference mode
        compiled = torch.compile(partial(fuse_frames, network), dynamic=False)

        def fuse_compiled(visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad(), _cudnn(candidate.precision):
                fused: tuple[Tensor, Tensor] = compiled(visible, infrared)
                return fused

        return fuse_compiled
    return fuse


@contextmanager
def _cudnn(precision: str) -> Iterator[None]:
    """PyTorch at its best, kernels chosen by timing; FP32 without TF32, which is its default."""
    cudnn: Any = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.allow_tf32
    cudnn.benchmark, cudnn.allow_tf32 = True, precision == "tf32"
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32 = before


class KeptConstants(TorchFunctionMode):
    """What `new_tensor` copied from the host once is not copied again.

    A capture must not wait for the host: CUDA forbids it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[Any, Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one function of torch's; called by torch."""
        if func is not Tensor.new_tensor:
            return func(*args, **(kwargs or {}))
        like, values = args
        key = values, like.dtype, like.device
        if key not in self._kept:
            self._kept[key] = func(*args)
        return self._kept[key]


def _captured(fuse: Tensors) -> Tensors:
    """The same as a CUDA graph of the first size that it is given."""
    graph = torch.cuda.CUDAGraph()
    held: list[Tensor] = []
    fused: list[Tensor] = []
    constants = KeptConstants()

    def replay(*frames: Tensor) -> tuple[Tensor, Tensor]:
        if not held:
            held.extend(frame.clone() for frame in frames)
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side), constants:
                for _ in range(3):
                    fuse(*held)
            torch.cuda.synchronize()
            with torch.cuda.graph(graph), constants:
                fused.extend(fuse(*held))
        for own, given in zip(held, frames, strict=True):
            own.copy_(given)
        graph.replay()
        return fused[0], fused[1]

    return replay


def _tensors(frames: tuple[Frames, ...], device: str) -> list[Tensor]:
    """A pair as batches of one."""
    return [torch.from_numpy(frame).to(device)[None] for frame in frames]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
