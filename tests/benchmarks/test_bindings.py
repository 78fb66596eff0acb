"""Every call of TensorRT, option of ONNX Runtime and name of PyCUDA is in every version.

`python -m benchmarks bindings -o benchmarks/results` looks for them anew.
"""

import json

import pytest
import tomllib

from benchmarks import bindings
from benchmarks.bindings import onnxruntime, pycuda, tensorrt
from benchmarks.bindings.signatures import Call, fits, signatures
from benchmarks.report import RESULTS, ROOT
from ship_deploy.engines import flavour

CONTENT = json.loads((RESULTS / "bindings.json").read_text())
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_the_result_has_every_call_that_the_code_makes():
    found = {n: e["calls"] for n, e in CONTENT["tensorrt"]["names"].items()}
    assert found == json.loads(json.dumps(tensorrt.calls()))
    asked = {provider: [*names] for provider, names in CONTENT["onnxruntime"]["options"].items()}
    assert asked == onnxruntime.options()
    assert [*CONTENT["pycuda"]["names"]] == pycuda.names()


def test_no_version_lacks_anything():
    for package in (tensorrt, onnxruntime, pycuda):
        assert package.lacking(CONTENT[package.__name__.rpartition(".")[2]]) == []


def test_what_is_missing_is_found():
    names = {
        "Builder.a": {"calls": [], "versions": {"10.3.0": None, "11.4": ["x: int"]}},
        "Builder.b": {"calls": [[2, []]], "versions": {"10.3.0": ["x: int"], "11.4": []}},
        tensorrt.GUARDED: {"calls": [], "versions": {"10.3.0": None}},
    }
    assert tensorrt.lacking({"names": names}) == ["Builder.a (10.3.0)", "Builder.b (10.3.0)"]
    assert onnxruntime.lacking({"options": {"P": {"a": {"1": False, "2": True}}}}) == ["P: a (1)"]
    assert pycuda.lacking({"names": {"a": {"1": False, "2": True}}}) == ["a (1)"]


def test_calls_are_found_by_the_variables_that_hold_the_objects():
    calls = tensorrt.calls()
    assert calls["IExecutionContext.execute_async_v3"] == [Call(1, ())]
    assert calls["IBuilderConfig.set_timing_cache"] == [Call(1, ("ignore_mismatch",))]
    assert calls["IOptimizationProfile.set_shape"] == []  # the code does not tell how many
    assert not any("ComputeCapability" in call for call in calls)  # of TensorRT-RTX
    assert {"memcpy_htod_async", "pagelocked_empty(mem_flags=)"} <= {*pycuda.names()}


OVERLOADED = """set(*args, **kwargs)
Overloaded function.

1. set(self: a.Config, cache: a.Cache, ignore: bool = False, kind: a.Kind = <Kind.X: 0>) -> bool

Sets it.

2. set(self: a.Config, shapes: dict[str, int]) -> None
"""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call(1, ()), [True, True]),
        (Call(1, ("ignore",)), [True, False]),
        (Call(2, ("ignore",)), [False, False]),  # given twice
        (Call(0, ("shapes",)), [False, True]),
        (Call(4, ()), [False, False]),
        (Call(0, ()), [False, False]),
    ],
)
def test_calls_are_held_against_signatures(call, expected):
    found = signatures(OVERLOADED)
    assert [fits(call, signature) for signature in found] == expected
    assert signatures("size(self: a.Cache) -> int") == [""] and fits(Call(0, ()), "")


def test_the_oldest_versions_are_those_that_the_extras_admit():
    oldest = next(iter(tensorrt.VERSIONS))
    assert tuple(map(int, oldest.split(".")[:2])) == flavour._MINIMUM
    assert f"tensorrt>={'.'.join(oldest.split('.')[:2])}" in EXTRAS["tensorrt"]
    oldest = onnxruntime.VERSIONS[0].rpartition(".")[0]
    assert EXTRAS["gpu"] == [f"onnxruntime-gpu[cuda,cudnn]>={oldest}"]
    assert EXTRAS["pycuda"] == [f"pycuda>={pycuda.VERSIONS[0]}"]


def test_the_table_has_all_three():
    table = bindings.tabulate(CONTENT)
    assert f"| `{onnxruntime.RTX}: nv_max_workspace_size` |  |  | yes |" in table
    assert "| `Runtime.deserialize_cuda_engine` | yes | yes | yes | yes | yes |" in table
