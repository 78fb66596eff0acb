"""Every call of TensorRT is in the bindings of every version that is said to work."""

import json

import tomllib

from benchmarks import bindings
from benchmarks.report import RESULTS, ROOT
from ship_deploy.engines import flavour

CONTENT = json.loads((RESULTS / "bindings.json").read_text())


def test_the_table_has_every_call_that_the_code_makes():
    """`python -m benchmarks bindings -o benchmarks/results` looks for them anew."""
    assert list(CONTENT["names"]) == bindings.calls()


def test_no_version_lacks_a_call():
    assert bindings.lacking(CONTENT) == []
    missing = {**CONTENT, "names": {"Builder.a": {"10.3.0": None, "11.4": "a(self)"}}}
    assert bindings.lacking(missing) == ["Builder.a (10.3.0)"]


def test_calls_are_found_by_the_variables_that_hold_the_objects():
    calls = bindings.calls()
    assert {"Builder.create_network", "IExecutionContext.execute_async_v3"} <= set(calls)
    assert not any("ComputeCapability" in call for call in calls)  # of TensorRT-RTX


def test_the_oldest_version_in_the_table_is_the_minimum():
    oldest = next(iter(bindings.VERSIONS))
    assert tuple(map(int, oldest.split(".")[:2])) == flavour._MINIMUM
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (
        f"tensorrt>={'.'.join(oldest.split('.')[:2])}"
        in extras["optional-dependencies"]["tensorrt"]
    )
