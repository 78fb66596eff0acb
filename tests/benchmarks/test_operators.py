"""Every operator of our graphs is in what TensorRT is published to support, of the types in use."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks import operators
from benchmarks.bindings import tensorrt
from benchmarks.report import RESULTS
from ship_deploy.models import CATALOGUE

CONTENT = json.loads((RESULTS / "operators.json").read_text())
FLOAT, UINT8, INT64 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64


def found(operator, inputs, kind=FLOAT, shape=(1, 2, 8, 8), constants=(), **attributes):
    """What is said of one node: version -> words."""
    taken = ["x", *inputs]
    made = [numpy_helper.from_array(np.array(value), name) for name, value in constants]
    others = [i for i in inputs if i and i not in dict(constants)]
    graph = helper.make_graph(
        [helper.make_node(operator, taken, ["y"], **attributes)],
        "one",
        [
            helper.make_tensor_value_info("x", kind, shape),
            *(helper.make_tensor_value_info(name, INT64, ["n"]) for name in others),
        ],
        [helper.make_empty_tensor_value_info("y")],
        made,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    return operators.problems(model)[operator]


@pytest.mark.parametrize("name", CATALOGUE)
def test_bundled_models_are_taken_by_every_version(name):
    rows = operators.problems(onnx.load(CATALOGUE[name].path))
    assert len(rows) > 20
    assert {op: row for op, row in rows.items() if any(row.values())} == {}
    assert {op: CONTENT["graphs"][name].get(op) for op in rows} == rows


def test_no_graph_has_what_a_version_does_not_take():
    """`python -m benchmarks operators -o benchmarks/results` looks again."""
    words = [w for g in CONTENT["graphs"].values() for row in g.values() for w in row.values()]
    assert {*words} == {""}
    assert all(CONTENT["rtx"]["takes"].values())
    assert {"ship, fp16", "compact, fp16", "fiscnet, fp16"} <= CONTENT["graphs"].keys()


def test_the_versions_are_those_whose_bindings_were_looked_into():
    short = [".".join(version.split(".")[:2]) for version in tensorrt.VERSIONS]
    assert list(operators.VERSIONS) == short


def test_an_operator_that_is_not_supported():
    words = found("DFT", [], shape=(1, 8, 8, 1))
    assert {*words.values()} == {"not in the list"}


def test_a_type_that_is_not_supported():
    assert {*found("Shape", [], UINT8).values()} == {"not of UINT8"}
    assert {*found("Shape", []).values()} == {""}
    assert {*found("Cast", [], UINT8, to=FLOAT).values()} == {""}


def test_what_a_later_version_takes():
    exponent = [("n", np.int64(2))]
    words = found("Pow", ["n"], constants=exponent)
    assert words["10.3"] == "has an integer exponent" and words["10.8"] == ""
    assert found("Pow", ["n"], INT64, constants=exponent)["10.8"] == "not of INT64"
    assert {*found("Pow", ["n"], constants=[("n", np.float32(2))]).values()} == {""}
    words = found("Squeeze", ["axes"])
    assert words["10.3"] == "has axes that are no constant" and words["10.8"] == ""


@pytest.mark.parametrize(
    "node",
    [
        ("ReduceMax", ["axes"], {}),
        ("AveragePool", [], {"kernel_shape": [3, 3], "dilations": [2, 2]}),
        ("Resize", ["", "scales"], {"mode": "cubic"}),
        ("Resize", ["", "scales"], {"mode": "linear", "antialias": 1}),
        ("Squeeze", [], {"shape": (1, "n", 8, 8)}),
    ],
)
def test_what_no_version_takes(node):
    operator, inputs, more = node
    words = found(operator, inputs, **more)
    assert all(text.startswith("has ") for text in words.values()), words


def test_the_same_where_it_is_taken():
    assert {*found("ReduceMax", ["axes"], constants=[("axes", np.int64([1]))]).values()} == {""}
    assert {*found("AveragePool", [], kernel_shape=[3, 3], dilations=[1, 1]).values()} == {""}
    assert {*found("Resize", ["", "scales"], mode="linear").values()} == {""}
    assert {*found("Squeeze", []).values()} == {""}


def test_the_table_says_where_something_is_missing():
    graphs = {"a": {"Abs": {"10.3": "not of INT8", "11.4": ""}}, "b": {}}
    lists = {v: {"list": "10.6", "source": "s"} for v in ("10.3", "11.4")}
    rtx = {"version": "1", "takes": {"Abs": False}}
    about = {"machine": {"measured": "2026-11-27"}, "opset": 20, "changelog": "c"}
    table = operators.tabulate({**about, "lists": lists, "rtx": rtx, "graphs": graphs})
    assert "| `Abs` | not of INT8 (a) | yes | no |" in table
