"""From a network to a sealed `model.onnx`."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from enum import Enum

import onnx
import torch
from onnx import ModelProto, TensorProto
from torch import Tensor, nn
from torch.export import Dim

from export.fold import fold
from export.precision import Precision, narrow
from export.spectrum import TRANSLATIONS
from ship_deploy import __version__
from ship_deploy.artifact import PRODUCER, seal
from ship_deploy.frames import SMALLEST
from training.architecture import FusionNetwork
from training.colour import fuse_frames

OPSET = 20
IR_VERSION = 9  # the oldest that opset 20 may stand in: ONNX Runtime reads it from 1.17 on
TRACED_SIZE = (65, 97)  # height, width; only traced, any size works; no multiples of a block
COLOUR = "BGR, 8 bits, BT.601 luminance, full range"


class Graph(Enum):
    """What a model takes and returns."""

    FRAMES = "frames"
    """visible (N, H, W, 3) BGR, infrared (N, H, W) -> fused (N, H, W, 3) BGR, all uint8."""

    LUMINANCE = "luminance"
    """visible_y, infrared -> fused_y, all float32 (N, 1, H, W), not clamped. For verification."""


class _Frames(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        return fuse_frames(self.network, visible, infrared)[0]


class _Luminance(_Frames):
    def forward(self, visible_y: Tensor, infrared: Tensor) -> Tensor:
        raw: Tensor = self.network(visible_y, infrared)[1]
        return raw


def build(
    network: FusionNetwork,
    graph: Graph,
    size: tuple[int, int] | None = None,
    precision: Precision = Precision.FP32,
) -> ModelProto:
    """Fold a network and export it.

    Args:
        network: FP32, in eval mode.
        graph: what goes in and comes out.
        size: (height, width) to fix, or None for any size. The batch size is always free.
        precision: of features and weights.

    Returns:
        The checked ONNX model, without metadata.

    Raises:
        UserError: the network has no FP16.
    """
    height, width = size or TRACED_SIZE
    deployed = narrow(network) if precision is Precision.FP16 else fold(network)
    if graph is Graph.FRAMES:
        module, names = _Frames(deployed), ["visible", "infrared", "fused"]
        shapes = [(2, height, width, 3), (2, height, width)]
        inputs = tuple(torch.randint(256, shape, dtype=torch.uint8) for shape in shapes)
        rows = 1
    else:
        module, names = _Luminance(deployed), ["visible_y", "infrared", "fused_y"]
        inputs = tuple(torch.rand(2, 1, height, width) for _ in range(2))
        rows = 2
    dynamic = {0: Dim("batch", min=1)}
    if size is None:
        dynamic |= {rows: Dim("height", min=SMALLEST), rows + 1: Dim("width", min=SMALLEST)}
    model = convert(module, inputs, names, dynamic)
    model.graph.name = type(network).__name__.lower()
    return model


def convert(
    module: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], dynamic: dict[int, Dim]
) -> ModelProto:
    """A module as a checked ONNX model, without metadata.

    Args:
        module: what stands in its graph is exported as it is.
        inputs: to trace it with.
        names: of the inputs, then of the outputs.
        dynamic: the free axes of every input.
    """
    with _quiet():
        program = torch.onnx.export(
            module.eval(),
            inputs,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(names[: len(inputs)]),
            output_names=list(names[len(inputs) :]),
            dynamic_shapes=tuple(dynamic for _ in inputs),
            custom_translation_table=TRANSLATIONS,
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    _strip(model)
    shapes_of_floats(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def finish(model: ModelProto, **metadata: str) -> bytes:
    """Write metadata into a model and seal it: the bytes of a `model.onnx`."""
    model.producer_name = PRODUCER
    model.producer_version = __version__
    properties = {"colour": COLOUR, "opset": str(OPSET), "package_version": __version__, **metadata}
    onnx.helper.set_model_props(model, properties)
    return seal(model.SerializeToString(deterministic=True))


def _strip(model: ModelProto) -> None:
    """Drop the exporter's notes on where each node came from; they name files of this machine."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        del value.metadata_props[:]
        value.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    del model.graph.metadata_props[:], model.metadata_props[:]
    del model.graph.value_info[:]
    model.doc_string = model.graph.doc_string = ""
    model.graph.name = "network"


def shapes_of_floats(model: ModelProto) -> None:
    """Read the sizes of 8-bit frames behind their casts to floats.

    No TensorRT is documented to tell the shape of an 8-bit tensor; TensorRT-RTX 1.7 does.
    """
    node = model.graph.node
    casts = {n.input[0]: n for n in node if n.op_type == "Cast"}
    inputs = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    frames = [name for name, kind in inputs.items() if kind == TensorProto.UINT8]
    asked = [n for n in node if n.op_type == "Shape" and n.input[0] in frames]
    for shape in asked:
        shape.input[0] = casts[shape.input[0]].output[0]
    if asked:  # casts of inputs come first
        first = [casts[name] for name in frames]
        ordered = [*first, *(n for n in node if n not in first)]
        del node[:]
        node.extend(ordered)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and its remarks on packages that are not needed to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
