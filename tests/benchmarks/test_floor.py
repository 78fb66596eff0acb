import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.latency.floor import Rates, Work, count, measure, seconds, side_for


def model(path, nodes, **weights):
    frames = helper.make_tensor_value_info("visible", TensorProto.UINT8, [1, "h", "w", 3])
    infrared = helper.make_tensor_value_info("infrared", TensorProto.UINT8, [1, "h", "w"])
    out = helper.make_tensor_value_info("fused", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        nodes,
        "g",
        [frames, infrared],
        [out],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def test_a_convolution_is_counted(tmp_path):
    """3 -> 4 channels, 3x3: 27 products for each of 4 * 16 * 24 values, two operations each."""
    nodes = [
        helper.make_node("Cast", ["visible"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["y", "w"], ["z"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["z"], ["fused"]),
    ]
    model(tmp_path / "m.onnx", nodes, w=np.zeros((4, 3, 3, 3), np.float32))
    pixels = 16 * 24
    expected = Work(2 * 27 * 4 * pixels, 4 * (3 * pixels + 4 * pixels + 4 * 27))
    assert count(tmp_path / "m.onnx", (16, 24)) == expected


def test_a_matrix_product_is_counted(tmp_path):
    nodes = [
        helper.make_node("Cast", ["infrared"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["fused"]),
    ]
    model(tmp_path / "m.onnx", nodes, w=np.zeros((24, 5), np.float32))
    expected = Work(2 * 24 * 16 * 5, 4 * (16 * 24 + 24 * 5 + 16 * 5))
    assert count(tmp_path / "m.onnx", (16, 24)) == expected


def test_operations_grow_with_the_pixels(made):
    small, large = (count(made.onnx("fp32"), size) for size in ((32, 48), (64, 96)))
    assert large.operations / small.operations == pytest.approx(4, rel=0.1)
    assert large.bytes / small.bytes == pytest.approx(4, rel=0.1)


def test_the_larger_time_is_the_floor():
    assert seconds(Work(100, 30), Rates(50, 10)) == 3
    assert seconds(Work(100, 30), Rates(10, 10)) == 10


def test_rates_are_measured(monkeypatch):
    monkeypatch.setattr("benchmarks.latency.floor.SIDE", {"cpu": 64})
    monkeypatch.setattr("benchmarks.latency.floor.COPY", 1 << 16)
    found = measure("cpu", "fp32")
    assert found.operations > 1e6 and found.bytes > 1e6


def test_where_a_type_is_slow_the_matrices_are_small():
    """At 0.16 s for a side of 256, one of 2048 would take 80 s."""
    assert side_for(1e-4, 2048) == 2048
    assert side_for(0.16, 2048) == 576  # (576 / 256)^3 * 0.16 s = 1.8 s
    assert side_for(100.0, 2048) == 64
    assert side_for(0.0, 8192) == 8192
