"""The models that an export writes, each with its measured fidelity."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from export import verify
from export.build import Graph, build, finish
from export.precision import Precision, half_precision
from ship_deploy.artifact import Artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import SMALLEST
from training.checkpoints import digest, load_network


@dataclass(frozen=True)
class Model:
    """A model that was written."""

    path: Path
    graph: Graph
    precision: Precision
    fidelity: verify.Fidelity


def export_models(
    checkpoint: Path,
    output: Path,
    size: tuple[int, int] | None = None,
    precisions: Sequence[Precision] = (Precision.FP32,),
    say: Callable[[str], object] = lambda _: None,
    name: str | None = None,
) -> list[Model]:
    """Export a checkpoint, verify it in ONNX Runtime on the CPU, and write it.

    Args:
        checkpoint: `.safetensors` of ours, or the authors' `.pth`.
        output: folder; made if need be.
        size: (height, width) to fix, or None for any size.
        precisions: each gives a pair of models.
        say: called with a line on every step.
        name: of the files; the checkpoint's if None.

    Returns:
        What was written: NAME.onnx and NAME.luminance.onnx, with NAME.fp16 for FP16.

    Raises:
        UserError: the name is a path, the checkpoint cannot be read, its network has no FP16, a
            result is out of tolerance, or the folder cannot be written to. Nothing is written then.
    """
    if size is not None and min(size) < SMALLEST:
        raise UserError(f"size is {size[0]}x{size[1]}, the smallest is {SMALLEST}x{SMALLEST}")
    if name is not None and (name != Path(name).name or name.startswith(".")):
        raise UserError(f"name is {name!r}, expected that of a file, without folders or suffix")
    network = load_network(checkpoint)
    if Precision.FP16 in precisions:
        half_precision(network)  # rather fail now than after another export
    count = sum(p.numel() for p in network.parameters())
    say(f"Load    {type(network).__name__}, {count:,} parameters")
    batches = verify.scenes([size] if size else verify.SIZES)
    contents: dict[Path, bytes] = {}
    models = []
    for precision in precisions:
        protos, runs = {}, {}
        for graph in Graph:
            proto = protos[graph] = build(network, graph, size, precision)
            say(
                f"Export  {graph.value} graph in {precision.value}: "
                f"{len(proto.graph.node)} nodes, folded"
            )
            unsealed = Artifact(checkpoint, proto.SerializeToString(), "", {})
            runs[graph] = OnnxRuntime(unsealed, "cpu", None).run
        fidelity = verify.measure(network, runs[Graph.LUMINANCE], runs[Graph.FRAMES], batches)
        say(
            f"Verify  against the reference network in FP64, frames of {fidelity.sizes}: "
            f"PSNR {fidelity.psnr:.0f} dB, luminance within {fidelity.raw_error:.1e}, "
            f"8-bit frames within {fidelity.levels}"
        )
        fidelity.check(str(checkpoint), precision)
        for graph, proto in protos.items():
            path = output / model_name(name or checkpoint.stem, graph, precision)
            contents[path] = finish(
                proto,
                network=type(network).__name__,
                config=json.dumps(network.config),
                graph=graph.value,
                precision=precision.value,
                size="any" if size is None else f"{size[0]}x{size[1]}",
                checkpoint_digest=digest(checkpoint),
                fidelity=json.dumps(asdict(fidelity)),
            )
            models.append(Model(path, graph, precision, fidelity))
    make_folder(output)
    for path, content in contents.items():
        write_atomically(path, content)
        say(f"Write   {path}")
    return models


def model_name(name: str, graph: Graph, precision: Precision) -> str:
    """What the file of a model is called."""
    kinds = [name]
    kinds += [precision.value] if precision is not Precision.FP32 else []
    kinds += [graph.value] if graph is not Graph.FRAMES else []
    return f"{'.'.join(kinds)}.onnx"
