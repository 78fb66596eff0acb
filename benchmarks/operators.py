"""Every ONNX operator of our graphs, looked for in what each TensorRT is published to support.

`operators.json` holds the published lists of onnx-tensorrt's `docs/operators.md`, as far as they
concern networks like these: supported types by operator, with the address of each list. Versions
without a list here take the nearest older one, and 10.3 the next newer one; what the changelog of
onnx-tensorrt says was added between them is in `RULES`, as are the restrictions of the lists.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, TensorProto, shape_inference

from benchmarks import machine, record
from export.build import Graph, build
from export.precision import Precision
from ship_deploy.console import ERR
from ship_deploy.engines.flavour import load
from ship_deploy.files import make_folder
from ship_deploy.models import CATALOGUE
from training import networks

PUBLISHED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_suffix(".json").read_text("utf-8")
)
CHANGELOG = "https://github.com/onnx/onnx-tensorrt/blob/main/docs/Changelog.md"
VERSIONS = {"10.3": "10.6", "10.8": "10.6", "10.13": "10.6", "10.16": "10.15", "11.4": "10.15"}
"""Version of TensorRT -> version of the published list that it is held against."""
NEVER = (99, 0)
RESIZE: dict[str, set[Any]] = {
    "mode": {"nearest", "linear"},
    "coordinate_transformation_mode": {
        *("half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn"),
        *("asymmetric", "align_corners"),
    },
    "nearest_mode": {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"},
    "keep_aspect_ratio_policy": {"stretch"},
    "antialias": {0},
}
"""Attributes of `Resize` that are supported."""


@dataclass(frozen=True)
class Node:
    """A node, with what is known of its inputs.

    Attributes:
        operator: its type, such as "Conv".
        types: of what it works on and gives, such as {"FLOAT"}.
        attributes: by name.
        inputs: type of each, "" for one that is left out.
        constant: whether each is.
        shapes: of each, with None for a size that is not known; None where nothing is.
    """

    operator: str
    types: frozenset[str]
    attributes: dict[str, Any]
    inputs: list[str]
    constant: list[bool]
    shapes: list[list[int | None] | None]


@dataclass(frozen=True)
class Rule:
    """Something that a version does not take.

    Attributes:
        operators: that it is about.
        words: what a node has.
        since: version from which on it is taken.
        holds: whether a node has it.
    """

    operators: set[str]
    words: str
    since: tuple[int, int]
    holds: Callable[[Node], bool]


def _varies(place: int) -> Callable[[Node], bool]:
    return lambda node: len(node.inputs) > place and not node.constant[place]


def _dilated(node: Node) -> bool:
    return any(dilation != 1 for dilation in node.attributes.get("dilations", []))


def _of_one_axis(node: Node) -> bool:
    return len(node.attributes["kernel_shape"]) not in (2, 3)


def _resized_otherwise(node: Node) -> bool:
    given = node.attributes
    return any(name in given and given[name] not in known for name, known in RESIZE.items())


def _squeezes_what_is_unknown(node: Node) -> bool:
    shape = node.shapes[0]
    return len(node.inputs) == 1 and (shape is None or None in shape)


_REDUCE = {"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare"}
RULES = [
    Rule(_REDUCE, "axes that are no constant", NEVER, _varies(1)),
    Rule({"AveragePool"}, "dilations", NEVER, _dilated),
    Rule({"AveragePool"}, "other than 2 or 3 axes", NEVER, _of_one_axis),
    Rule({"Resize"}, "a mode that is not supported", NEVER, _resized_otherwise),
    Rule({"Squeeze", "Unsqueeze"}, "axes that are no constant", (10, 7), _varies(1)),
    Rule({"Squeeze"}, "no axes and an unknown shape", (11, 5), _squeezes_what_is_unknown),
    Rule({"Slice"}, "axes that are no constant", (10, 3), _varies(3)),
    Rule({"Pad"}, "axes", (10, 4), lambda node: len(node.inputs) > 3),
    Rule({"Pow"}, "an integer exponent", (10, 8), lambda node: "INT" in node.inputs[1]),
]


def nodes(model: ModelProto) -> Iterator[Node]:
    """The nodes of a model, with inferred types and shapes."""
    graph = shape_inference.infer_shapes(model).graph
    types: dict[str, int] = {t.name: t.data_type for t in graph.initializer}
    shapes: dict[str, list[int | None]] = {t.name: [*t.dims] for t in graph.initializer}
    constants = {*types} | {n.output[0] for n in graph.node if n.op_type == "Constant"}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        types[value.name] = value.type.tensor_type.elem_type
        if value.type.tensor_type.HasField("shape"):
            sizes = value.type.tensor_type.shape.dim
            shapes[value.name] = [d.dim_value if d.HasField("dim_value") else None for d in sizes]

    def named(name: str) -> str:
        return str(TensorProto.DataType.Name(types.get(name, 0))) if name else ""

    for node in graph.node:
        yield Node(
            node.op_type,
            frozenset(map(named, _worked_on(node, model))),
            {a.name: _plain(onnx.helper.get_attribute_value(a)) for a in node.attribute},
            [named(name) for name in node.input],
            [name in constants for name in node.input],
            [shapes.get(name) for name in node.input],
        )


def _worked_on(node: NodeProto, model: ModelProto) -> set[str]:
    """Names of the inputs that are not shapes, axes or conditions, and the output of a cast."""
    opset = next(o.version for o in model.opset_import if not o.domain)
    schema = onnx.defs.get_schema(node.op_type, opset)
    if node.op_type == "Cast":
        return {node.input[0], node.output[0]}
    if not node.input:
        return {node.output[0]}
    formal = [schema.inputs[min(i, len(schema.inputs) - 1)] for i in range(len(node.input))]
    result = schema.outputs[0].type_str
    wanted = result if result in {f.type_str for f in formal} else formal[0].type_str
    return {n for n, f in zip(node.input, formal, strict=True) if n and f.type_str == wanted}


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def problem(node: Node, version: str) -> str:
    """What of a node a version of TensorRT is not published to take; "" if it takes all."""
    published = PUBLISHED[VERSIONS[version]]["types"]
    known = [types.split() for types, operators in published.items() if node.operator in operators]
    if not known:
        return "not in the list"
    if other := sorted(node.types - {*known[0]}):
        return f"not of {', '.join(other)}"
    major, minor = map(int, version.split("."))
    broken = [
        rule.words
        for rule in RULES
        if node.operator in rule.operators and (major, minor) < rule.since and rule.holds(node)
    ]
    return f"has {'; '.join(broken)}" if broken else ""


def problems(model: ModelProto) -> dict[str, dict[str, str]]:
    """Operator -> version -> what that version does not take of this model; "" for nothing."""
    found: dict[str, dict[str, set[str]]] = {}
    for node in nodes(model):
        row = found.setdefault(node.operator, {version: set() for version in VERSIONS})
        for version, words in row.items():
            words.add(problem(node, version))
    return {
        name: {version: "; ".join(sorted(words - {""})) for version, words in row.items()}
        for name, row in sorted(found.items())
    }


def run(output: Path) -> str:
    """Look at all graphs, ask TensorRT-RTX, and write `operators.json` and `operators.md`.

    Raises:
        UserError: TensorRT-RTX is not installed.
    """
    make_folder(output)
    graphs = {name: onnx.load(model.path) for name, model in CATALOGUE.items()}
    for name in networks.names():
        module = networks.find(name).module().eval()
        for precision in Precision:
            ERR.print(f"{name} in {precision.value}")
            graphs[f"{name}, {precision.value}"] = build(module, Graph.FRAMES, None, precision)
    found = {name: problems(model) for name, model in graphs.items()}
    names = sorted({operator for rows in found.values() for operator in rows})
    rtx = load("tensorrt-rtx")
    network = rtx.trt.Builder(rtx.logger).create_network(0)  # which the parser does not keep alive
    takes = rtx.trt.OnnxParser(network, rtx.logger).supports_operator
    content = {
        "machine": machine.describe(),
        "opset": next(o.version for o in next(iter(graphs.values())).opset_import),
        "lists": {v: {"list": by, **_about(by)} for v, by in VERSIONS.items()},
        "changelog": CHANGELOG,
        "rtx": {"version": rtx.version, "takes": {name: takes(name) for name in names}},
        "graphs": found,
    }
    table = tabulate(content)
    record.write(output, "operators", content, table)
    return table


def _about(version: str) -> dict[str, Any]:
    return {k: v for k, v in PUBLISHED[version].items() if k != "types"}


def tabulate(content: dict[str, Any]) -> str:
    """Operators down, versions across."""
    rtx, graphs = content["rtx"], content["graphs"]
    lists = {about["list"]: about["source"] for about in content["lists"].values()}
    links = " and ".join(f"[{version}]({source})" for version, source in lists.items())
    by = ", ".join(f"{v} by {about['list']}" for v, about in content["lists"].items())
    lines = [
        f"{content['machine']['measured'][:10]}; opset {content['opset']}. Graphs: "
        f"{'; '.join(graphs)}.",
        "",
        f"Published lists: {links} ({by}), with onnx-tensorrt's [changelog]"
        f"({content['changelog']}) between them. TensorRT-RTX {rtx['version']}: what its parser "
        "answers.",
        "",
        f"| operator | {' | '.join(content['lists'])} | RTX {rtx['version']} |",
        "|---|" + ":-:|" * (len(content["lists"]) + 1),
    ]
    for name, taken in rtx["takes"].items():
        cells = []
        for version in content["lists"]:
            words = {g: rows[name][version] for g, rows in graphs.items() if name in rows}
            told = [f"{text} ({graph})" for graph, text in words.items() if text]
            cells.append("; ".join(told) or "yes")
        cells.append("yes" if taken else "no")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
