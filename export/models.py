"""The models that an export writes, each with its measured fidelity."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from export import verify
from export.build import Graph, build, finish
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
    precision: str
    fidelity: verify.Fidelity


def export_models(
    checkpoint: Path,
    output: Path,
    size: tuple[int, int] | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> list[Model]:
    """Export a checkpoint, verify it in ONNX Runtime on the CPU, and write it.

    Args:
        checkpoint: `.safetensors` of ours, or the authors' `.pth`.
        output: folder; made if need be.
        size: (height, width) to fix, or None for any size.
        say: called with a line on every step.

    Returns:
        What was written: NAME.onnx and NAME.luminance.onnx.

    Raises:
        UserError: the checkpoint cannot be read, the result is out of tolerance, or the folder
            cannot be written to. Nothing is written then.
    """
    if size is not None and min(size) < SMALLEST:
        raise UserError(f"size is {size[0]}x{size[1]}, the smallest is {SMALLEST}x{SMALLEST}")
    network = load_network(checkpoint)
    name = type(network).__name__
    count = sum(p.numel() for p in network.parameters())
    say(f"[bold]Load[/]    {name}, {count:,} parameters")
    protos, runs = {}, {}
    for graph in Graph:
        proto = protos[graph] = build(network, graph, size)
        say(f"[bold]Export[/]  {graph.value} graph: {len(proto.graph.node)} nodes, folded")
        unsealed = Artifact(checkpoint, proto.SerializeToString(), "", {})
        runs[graph] = OnnxRuntime(unsealed, "cpu", None).run
    batches = verify.scenes([size] if size else verify.SIZES)
    fidelity = verify.measure(network, runs[Graph.LUMINANCE], runs[Graph.FRAMES], batches)
    say(
        f"[bold]Verify[/]  against the reference network in FP64, frames of {fidelity.sizes}: "
        f"luminance within {fidelity.raw_error:.1e}, 8-bit frames within {fidelity.levels} level"
    )
    fidelity.check(str(checkpoint))
    make_folder(output)
    written = []
    for graph, proto in protos.items():
        suffix = "" if graph is Graph.FRAMES else f".{graph.value}"
        path = output / f"{checkpoint.stem}{suffix}.onnx"
        content = finish(
            proto,
            network=name,
            config=json.dumps(network.config),
            graph=graph.value,
            precision="fp32",
            size="any" if size is None else f"{size[0]}x{size[1]}",
            checkpoint_digest=digest(checkpoint),
            fidelity=json.dumps(asdict(fidelity)),
        )
        write_atomically(path, content)
        say(f"[bold]Write[/]   {path}")
        written.append(Model(path, "fp32", fidelity))
    return written
