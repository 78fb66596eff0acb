"""The load tool, with a load that shows nothing but that it works. `make test-triton` runs it."""

import json
from importlib.util import find_spec

import pytest

if find_spec("pytriton") is None:
    pytest.skip("needs a Triton server: make test-triton", allow_module_level=True)

from benchmarks.triton import load


def test_every_request_is_answered_and_counted(tmp_path):
    table = load.run(tmp_path, "ship-t", [1, 3], 12, "32x40")

    found = json.loads((tmp_path / "triton.json").read_text())
    loads = found["loads"]
    ways = ["local", *load.WAYS, *load.WAYS]
    assert [each["way"] for each in loads] == [way for way in ways for _ in range(2)]
    assert {each["requests"] for each in loads} == {12}
    assert all(0 < each["p50"] <= each["p99"] for each in loads)
    for each in loads:
        if each["way"] == "local":
            assert each["together"] is None
        else:
            assert 1 <= each["together"] <= min(each["batch"], each["clients"])
    assert table == (tmp_path / "triton.md").read_text() == load.tabulate(found)
    assert table.count("\n|") == 2 + len(loads)


def test_a_client_that_fails_ends_the_measurement():
    def fuse(*pair):
        raise RuntimeError("gone")

    with pytest.raises((RuntimeError, load.threading.BrokenBarrierError)):
        load._load("grpc", 1, 3, 12, fuse, (None, None), lambda: (0, 0))
