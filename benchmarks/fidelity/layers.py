"""Layer by layer: where a deployed graph leaves the FP32 network, and by how much.

The graph is exported once more with the result of every part as an output. Engines lose fusions
that way, so this says where an error begins, not how large it is in the shipped engine.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor, nn
from torch.export import Dim

from benchmarks import machine, record
from benchmarks.candidates import Candidate
from benchmarks.loading import Arrays, infer_with_polygraphy, quiet_polygraphy
from benchmarks.pairs import Pair
from export.build import TRACED_SIZE, convert, finish
from export.fold import fold
from export.precision import Narrowed, Typed, half_precision
from export.verify import planes
from ship_deploy.artifact import read_artifact
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.flavour import load as load_flavour
from ship_deploy.engines.profile import choose_profile
from ship_deploy.engines.recipe import make_recipe
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import SMALLEST
from training.architecture import HalfPrecision, Reason
from training.checkpoints import digest, load_network
from training.networks import architecture_of

INPUTS = ("visible_y", "infrared")
WIDE = {"*": Reason("all of it", torch.float)}  # nothing in FP16
CROP = (240, 320)  # height, width, at most: every feature is kept


@dataclass(frozen=True)
class Layer:
    """One part's result.

    Attributes:
        name: its path in the folded network.
        magnitude: root mean square of what the FP32 network has there.
        error: root mean square of the difference, as a share of that; NaN if any value is.
        largest: the largest difference.
    """

    name: str
    magnitude: float
    error: float
    largest: float


class Tapped(nn.Module):
    """A network that gives the result of each of its parts, in the order of computation."""

    def __init__(self, network: Narrowed) -> None:
        super().__init__()
        self.network = network
        self.results: dict[str, Tensor] = {}
        for name, part in network.network.named_modules():
            if isinstance(part, Typed):
                part.register_forward_hook(self._keep(name))

    def _keep(self, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def keep(_: nn.Module, __: Any, result: Tensor) -> None:
            self.results[name] = result.to(torch.float, copy=True)

        return keep

    def forward(self, visible_y: Tensor, infrared: Tensor) -> tuple[Tensor, ...]:
        """Luminance (N, 1, H, W) to all results in FP32, the raw fused luminance last."""
        self.results = {}
        raw = self.network(visible_y, infrared)[1]
        return *self.results.values(), raw


def tapped(checkpoint: Path, precision: str) -> Tapped:
    """The network of a checkpoint, folded and centred, with its results in view."""
    network = load_network(checkpoint)
    if precision == "fp16":
        half = half_precision(network)
    else:
        half = replace(architecture_of(network).half or HalfPrecision({}), islands=WIDE)
    return Tapped(Narrowed(fold(network), half)).eval()


@torch.inference_mode()
def reference(checkpoint: Path, feeds: Arrays) -> Arrays:
    """The results of the FP32 network, by name."""
    network = tapped(checkpoint, "fp32")
    results = network(*(torch.from_numpy(feeds[name]) for name in INPUTS))
    return dict(zip([*network.results, "fused_y"], (r.numpy() for r in results), strict=True))


def export_tapped(checkpoint: Path, precision: str, names: Iterable[str]) -> ModelProto:
    """The graph of a precision with the results of these names as outputs, any size."""
    network = tapped(checkpoint, precision)
    inputs = tuple(torch.rand(2, 1, *TRACED_SIZE) for _ in INPUTS)
    axes = {0: Dim("batch", min=1), 2: Dim("height", min=SMALLEST), 3: Dim("width", min=SMALLEST)}
    return convert(network, inputs, [*INPUTS, *names], axes)


def infer(model: ModelProto, candidate: Candidate, feeds: Arrays, folder: Path) -> Arrays:
    """Run a tapped graph where a candidate runs.

    Raises:
        UserError: it cannot run there.
    """
    if candidate.flavour is None:
        quiet_polygraphy()
        from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx

        with OnnxrtRunner(SessionFromOnnx(model.SerializeToString())) as runner:
            return dict(runner.infer(feeds))
    height, width = feeds[INPUTS[0]].shape[2:]
    path = folder / "layers.onnx"
    size = f"{height}x{width}"
    write_atomically(
        path, finish(model, graph="luminance", precision=candidate.precision, size="any")
    )
    artifact = read_artifact(path)
    recipe = make_recipe(
        artifact, load_flavour(candidate.flavour), choose_profile("any", size, size, size)
    )
    return infer_with_polygraphy(candidate.flavour, build_engine(artifact, recipe).engine)(feeds)


def compare(found: Arrays, expected: Arrays) -> list[Layer]:
    """All layers, in the order of computation."""
    layers = []
    for name, known in expected.items():
        magnitude = _rms(known)
        difference = found[name].astype(np.float64) - known
        error = _rms(difference) / max(magnitude, 1e-12)
        layers.append(Layer(name, magnitude, error, float(np.abs(difference).max())))
    return layers


def first_to_drift(layers: list[dict[str, Any]], limit: float) -> dict[str, Any] | None:
    """The first layer whose error is above the limit, or not a number."""
    return next((layer for layer in layers if not layer["error"] <= limit), None)


def run(checkpoint: Path, candidate: Candidate, pair: Pair, output: Path, limit: float) -> str:
    """Compare on one pair, cropped; write `layers.json` and `layers.md`.

    Returns:
        The Markdown table.
    """
    on_cpu = candidate.engine == "onnxruntime" and candidate.device == "cpu"
    if not on_cpu and candidate.flavour is None:
        raise UserError(f"{candidate.title} cannot be looked into; onnxruntime-cpu, TensorRT can")
    make_folder(output)
    rows, columns = CROP
    frames = (np.ascontiguousarray(x[:rows, :columns])[None] for x in (pair.visible, pair.infrared))
    feeds = dict(zip(INPUTS, planes(*frames), strict=True))
    expected = reference(checkpoint, feeds)
    model = export_tapped(checkpoint, candidate.precision, expected)
    layers = [asdict(x) for x in compare(infer(model, candidate, feeds, output), expected)]
    content = {
        "checkpoint": checkpoint.name,
        "checkpoint_digest": digest(checkpoint),
        "candidate": candidate.title,
        "pair": f"{pair.source}/{pair.name}",
        "size": "{}x{}".format(*feeds[INPUTS[0]].shape[2:]),
        "limit": limit,
        "machine": machine.describe(),
        "layers": layers,
    }
    table = tabulate(content)
    record.write(output, "layers", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `layers.json`."""
    first = first_to_drift(content["layers"], content["limit"])
    verdict = (
        f"first to drift by more than {content['limit']:.2%}: **{first['name']}**"
        if first
        else f"none drifts by more than {content['limit']:.2%}"
    )
    lines = [
        f"{content['checkpoint']}, {content['candidate']} against PyTorch FP32, on "
        f"{content['pair']}, {content['size']}; {verdict}.",
        "",
        "| layer | magnitude | error, root mean square | largest error |",
        "|---|---|---|---|",
    ]
    for layer in content["layers"]:
        name = layer["name"]
        name = f"**{name}**" if layer is first else name
        lines.append(
            f"| {name} | {layer['magnitude']:.3g} | {layer['error']:.3%} | {layer['largest']:.2g} |"
        )
    return "\n".join(lines) + "\n"


def _rms(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))
