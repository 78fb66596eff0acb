"""What 8 bits cost a bundled model: INT8 and FP8 by explicit Q/DQ, layer by layer.

The convolutions with at least `WIDE` channels in and out, where 8 bits would pay, are quantised as
TensorRT wants it: activations symmetric, one scale a tensor, weights one scale a channel. ONNX
Runtime computes the rest in FP32 and rounds where the graph says so, with no operation fused.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks import machine, record
from benchmarks.pairs import real_pairs
from export.precision import Precision
from export.verify import TOLERANCES_ON_REAL_FRAMES
from ship_deploy.artifact import read_artifact
from ship_deploy.console import ERR
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.flavour import load
from ship_deploy.engines.profile import choose_profile
from ship_deploy.engines.recipe import make_recipe
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames
from ship_deploy.models import CATALOGUE

MODELS = ("ship-s", "ship-t")
WIDE = 16
BUILT_FOR = "8.9"  # compute capability; the oldest with FP8
CROP = (240, 320)  # height, width, from the middle of a frame
LARGEST = {"INT8": 127.0, "FP8": 448.0}  # E4M3
FLOOR = TOLERANCES_ON_REAL_FRAMES[Precision.FP16]
"""What FP16 is held to: dB, on average and of the worst pair."""
Batch = tuple[Frames, Frames]  # visible (1, H, W, 3), infrared (1, H, W)


@dataclass(frozen=True)
class Cost:
    """What became of a model.

    Attributes:
        model: its name.
        type: "INT8" or "FP8".
        layers: that are quantised.
        psnr: of the fused frame before it is rounded, peak 255, against FP32; mean of the pairs.
        worst: of the pair with the lowest.
        engine: of `layers` as TensorRT-RTX builds it: MiB, why not, or None where not tried.
    """

    model: str
    type: str
    layers: list[str]
    psnr: float
    worst: float
    engine: float | str | None = None


def run(output: Path, calibration: Path, test: Path, pairs: int) -> str:
    """Measure each layer alone, and as many of the cheapest as the floor allows, and all.

    Args:
        output: folder for `quantisation.json` and `quantisation.md`.
        calibration: folder with visible/ and infrared/; the scales are those of the largest values.
        test: the same, to measure on.
        pairs: of each folder.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    costs: list[Cost] = []
    for name in MODELS:
        model = onnx.load(CATALOGUE[name].path)
        trial = Trial(name, model, _batches(calibration, pairs), _batches(test, pairs))
        for kind in LARGEST:
            alone = []
            for layer in trial.layers:
                alone.append(trial.cost(kind, [layer]))
                ERR.print(f"{name} {kind} {layer}: {alone[-1].psnr:.1f} dB")
            cheapest = [c.layers[0] for c in sorted(alone, key=lambda cost: -cost.psnr)]
            costs += [*alone, *trial.within(kind, cheapest), trial.cost(kind, cheapest, build=True)]
    content = {
        "machine": machine.describe(),
        "floor": {"mean": FLOOR.mean_psnr, "worst": FLOOR.psnr},
        "pairs": pairs,
        "costs": [asdict(cost) for cost in costs],
    }
    table = tabulate(content)
    record.write(output, "quantisation", content, table)
    return table


class Trial:
    """A model, its quantised forms, and pairs to compare them on."""

    def __init__(
        self, name: str, model: onnx.ModelProto, calibration: list[Batch], test: list[Batch]
    ) -> None:
        self._name, self._model, self._test = name, model, test
        self._weights = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        self._nodes = {n.name: n for n in model.graph.node if self._is_wide(n)}
        self._expected = [self._fuse(model, batch) for batch in test]
        self._scales = self._calibrate(calibration)

    @property
    def layers(self) -> list[str]:
        """Those that can be quantised, in the graph's order."""
        return [*self._nodes]

    def cost(self, kind: str, layers: Sequence[str], build: bool = False) -> Cost:
        """Quantise some layers and compare."""
        model = self.quantised(kind, layers)
        session = _session(model, _before_rounding(model))
        noise = [
            np.square(_run(session, batch) - expected).mean(dtype=np.float64)
            for batch, expected in zip(self._test, self._expected, strict=True)
        ]
        decibels = [float(10 * np.log10(255**2 / max(n, 1e-20))) for n in noise]
        engine = self._build(model) if build else None
        return Cost(self._name, kind, list(layers), fmean(decibels), min(decibels), engine)

    def within(self, kind: str, cheapest: Sequence[str]) -> list[Cost]:
        """As many layers as keep the floor, from the cheapest on; nothing if one is too many."""
        best: list[Cost] = []
        for count in range(2, len(cheapest) + 1):
            cost = self.cost(kind, cheapest[:count])
            if cost.psnr < FLOOR.mean_psnr or cost.worst < FLOOR.psnr:
                break
            best = [cost]
        return best

    def quantised(self, kind: str, layers: Sequence[str]) -> onnx.ModelProto:
        """The model with Q/DQ around the inputs and the weights of some layers."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        zero_type = TensorProto.INT8 if kind == "INT8" else TensorProto.FLOAT8E4M3FN
        stored = np.dtype(np.int8 if kind == "INT8" else ml_dtypes.float8_e4m3fn)
        largest = LARGEST[kind]
        nodes: list[onnx.NodeProto] = []

        def add(name: str, values: np.ndarray[Any, Any], as_type: int) -> str:
            content = values.tobytes()
            tensor = helper.make_tensor(name, as_type, values.shape, content, True)
            model.graph.initializer.append(tensor)
            return name

        for node in model.graph.node:
            if node.name in layers:
                name, weight = node.name, self._weights[node.input[1]]
                scale = np.array(self._scales[name] / largest, np.float32)
                steps = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 1e-9) / largest
                steps = steps.astype(np.float32)
                rounded = weight / steps[:, None, None, None]
                rounded = np.rint(rounded) if kind == "INT8" else rounded
                one, each = np.zeros((), np.uint8), np.zeros(len(steps), np.uint8)
                whole = [
                    add(f"{name}.scale", scale, TensorProto.FLOAT),
                    add(f"{name}.zero", one, zero_type),
                ]
                channels = [
                    add(f"{name}.steps", steps, TensorProto.FLOAT),
                    add(f"{name}.zeros", each, zero_type),
                ]
                kept = add(f"{name}.stored", rounded.astype(stored), zero_type)
                make, (q, x, w) = helper.make_node, (f"{name}.{part}" for part in "qxw")
                nodes += [
                    make("QuantizeLinear", [node.input[0], *whole], [q]),
                    make("DequantizeLinear", [q, *whole], [x]),
                    make("DequantizeLinear", [kept, *channels], [w], axis=0),
                ]
                node.input[0], node.input[1] = x, w
            nodes.append(node)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        return model

    def _is_wide(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Conv" or node.input[1] not in self._weights:
            return False
        outputs, inputs, *_ = self._weights[node.input[1]].shape
        return bool(outputs >= WIDE and inputs >= WIDE)

    def _calibrate(self, batches: list[Batch]) -> dict[str, float]:
        wanted = [node.input[0] for node in self._nodes.values()]
        session = _session(self._model, *dict.fromkeys(wanted))
        largest: dict[str, float] = {}
        for visible, infrared in batches:
            found = session.run(None, {"visible": visible, "infrared": infrared})
            for output, values in zip(session.get_outputs(), found, strict=True):
                before = largest.get(output.name, 0.0)
                largest[output.name] = max(before, float(np.abs(values).max()))
        return {name: largest[node.input[0]] for name, node in self._nodes.items()}

    def _fuse(self, model: onnx.ModelProto, batch: Batch) -> np.ndarray[Any, Any]:
        return _run(_session(model, _before_rounding(model)), batch)

    def _build(self, model: onnx.ModelProto) -> float | str:
        """MiB of an engine of TensorRT-RTX; or why there is none."""
        artifact = read_artifact(CATALOGUE[self._name].path)
        artifact = replace(artifact, content=model.SerializeToString())
        profile = choose_profile("480x640", None)
        try:
            recipe = make_recipe(artifact, load("tensorrt-rtx"), profile, [BUILT_FOR])
            return len(build_engine(artifact, recipe).engine) / 2**20
        except UserError as error:
            return " ".join(str(error).split())[-300:]


def tabulate(content: dict[str, Any]) -> str:
    """A row for each set of layers."""
    floor = content["floor"]
    lines = [
        f"{content['machine']['measured'][:10]}; {content['pairs']} pairs; the floor of FP16 is "
        f"{floor['mean']:.0f} dB on average and {floor['worst']:.0f} dB for the worst pair.",
        "",
        "| model | type | layers | mean | worst | engine |",
        "|---|---|---|---:|---:|---|",
    ]
    for cost in content["costs"]:
        layers, engine = cost["layers"], cost["engine"]
        which = layers[0] if len(layers) == 1 else f"{len(layers)} layers"
        built = f"{engine:.1f} MiB" if isinstance(engine, float) else engine or ""
        lines.append(
            f"| {cost['model']} | {cost['type']} | {which} | {cost['psnr']:.1f} dB "
            f"| {cost['worst']:.1f} dB | {built} |"
        )
    return "\n".join(lines) + "\n"


def _session(model: onnx.ModelProto, *outputs: str) -> onnxruntime.InferenceSession:
    """A session that gives these values, with no operation fused."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(copy.SerializeToString(), options)


def _run(session: onnxruntime.InferenceSession, batch: Batch) -> np.ndarray[Any, Any]:
    visible, infrared = batch
    found: np.ndarray[Any, Any] = session.run(None, {"visible": visible, "infrared": infrared})[0]
    return found


def _before_rounding(model: onnx.ModelProto) -> str:
    """The fused frame as floats from 0 to 255."""
    (node,) = (node for node in model.graph.node if node.op_type == "Round")
    return str(node.input[0])


def _batches(folder: Path, pairs: int) -> list[Batch]:
    found = []
    for pair in real_pairs(folder, pairs):
        height, width = (min(a, b) for a, b in zip(CROP, pair.infrared.shape, strict=True))
        top, left = (
            (n - m) // 2 for n, m in zip(pair.infrared.shape, (height, width), strict=True)
        )
        area = slice(top, top + height), slice(left, left + width)
        found.append((pair.visible[area][None], pair.infrared[area][None]))
    return found
