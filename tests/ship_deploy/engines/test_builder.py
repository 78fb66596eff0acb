"""Real engines, built by TensorRT-RTX, which needs no GPU for it."""

import importlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest

from ship_deploy import UserError
from ship_deploy.artifact import PRODUCER, Artifact, read_artifact, seal
from ship_deploy.cuda.gpu import Gpu
from ship_deploy.engines import builder, flavour, recipe
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.flavour import Flavour, load
from ship_deploy.engines.profile import choose_profile
from ship_deploy.engines.recipe import make_recipe
from ship_deploy.models import find_model

trt = pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx, of the group test")
BOARD = Gpu("A board", "8.6", "13.0")


def no_gpu(device: int = 0) -> Gpu:
    raise UserError("no GPU in this test")


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch):
    monkeypatch.setattr(recipe, "find_gpu", no_gpu)


@pytest.fixture(scope="session")
def fixed_model(model: Path, tmp_path_factory) -> Path:
    """The small model for frames of 48x64."""
    proto = onnx.load(model)
    for tensor in [*proto.graph.input, *proto.graph.output]:
        for axis, length in ((1, 48), (2, 64)):
            tensor.type.tensor_type.shape.dim[axis].dim_value = length
    metadata = {**read_artifact(model).metadata, "size": "48x64"}
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, metadata)
    path = tmp_path_factory.mktemp("fixed") / "fixed.onnx"
    path.write_bytes(seal(proto.SerializeToString()))
    return path


def foreign(tmp_path: Path, *nodes: onnx.NodeProto) -> Artifact:
    """A sealed model of float nodes, from "visible" to "fused"."""
    shapes = {"visible": ["n", "h", "w", 1], "fused": None}
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:])
    opset = onnx.helper.make_opsetid("", 19)
    proto = onnx.helper.make_model(
        graph, producer_name=PRODUCER, opset_imports=[opset], ir_version=10
    )
    metadata = {"graph": "frames", "precision": "fp32", "size": "any"}
    onnx.helper.set_model_props(proto, metadata)
    path = tmp_path / "foreign.onnx"
    path.write_bytes(seal(proto.SerializeToString()))
    return read_artifact(path)


def recipe_for(artifact: Artifact, *sizes: str, **options):
    batch = options.pop("batch", 1)
    profile = choose_profile(artifact.metadata["size"], *sizes, batch=batch)
    return make_recipe(artifact, load("tensorrt-rtx"), profile, **options)


def spied(real: Flavour) -> tuple[Flavour, dict]:
    """A flavour whose builder notes what it is told, and builds all the same."""
    seen = {}

    class Builder(real.trt.Builder):
        def create_network(self, flags):
            seen["flags"] = flags
            return super().create_network(flags)

        def create_optimization_profile(self):
            seen["profile"] = super().create_optimization_profile()
            return seen["profile"]

        def build_serialized_network(self, network, config):
            names = [network.get_input(i).name for i in range(network.num_inputs)]
            count = config.num_compute_capabilities
            seen["shapes"] = {n: list(map(tuple, seen["profile"].get_shape(n))) for n in names}
            seen["targets"] = [config.get_compute_capability(i).name for i in range(count)]
            seen["tf32"] = config.get_flag(real.trt.BuilderFlag.TF32)
            seen["workspace"] = config.get_memory_pool_limit(real.trt.MemoryPoolType.WORKSPACE)
            return super().build_serialized_network(network, config)

    return replace(real, trt=SimpleNamespace(**{**vars(real.trt), "Builder": Builder})), seen


def test_any_size_with_a_profile_and_a_batch(model, monkeypatch):
    artifact = read_artifact(model)
    wanted = recipe_for(
        artifact, "16x24", "48x64", "96x128", batch=2, compute_capabilities=("8.9", "8.6")
    )
    spy, seen = spied(load("tensorrt-rtx"))
    monkeypatch.setattr(builder, "load", lambda _: spy)

    built = build_engine(artifact, wanted)

    assert len(built.engine) > len(artifact.content)
    assert built.timing_cache is None
    assert seen["shapes"] == {
        "visible": [(1, 16, 24, 3), (2, 48, 64, 3), (2, 96, 128, 3)],
        "infrared": [(1, 16, 24), (2, 48, 64), (2, 96, 128)],
    }
    assert seen["targets"] == ["SM86", "SM89"]
    assert seen["flags"] == 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert seen["tf32"] is False


def test_one_size_on_all_gpus(fixed_model, monkeypatch):
    artifact = read_artifact(fixed_model)
    wanted = recipe_for(artifact, workspace=256)
    spy, seen = spied(load("tensorrt-rtx"))
    monkeypatch.setattr(builder, "load", lambda _: spy)

    built = build_engine(artifact, wanted)

    assert len(built.engine) > len(artifact.content)
    assert seen["shapes"]["visible"] == [(1, 48, 64, 3)] * 3
    assert seen["targets"][:3] == ["SM80", "SM86", "SM89"] and "SM75" not in seen["targets"]
    assert seen["workspace"] == 256 << 20


def test_luminance_models_too(small_models):
    artifact = read_artifact(small_models / "small.luminance.onnx")
    built = build_engine(artifact, recipe_for(artifact, "32x48", "32x48", "32x48"))
    assert len(built.engine) > len(artifact.content)


def test_the_bundled_model_has_no_node_that_tensorrt_rtx_lacks():
    real = load("tensorrt-rtx")
    network = trt.Builder(real.logger).create_network(0)
    parser = trt.OnnxParser(network, real.logger)
    supported = parser.supports_model_v2(find_model("ship").read_bytes())
    lacking = [parser.get_subgraph_nodes(i) for i in range(parser.num_subgraphs)]
    assert supported, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    assert len(lacking) == 1  # the whole graph


def test_the_bundled_model_builds_for_any_size():
    artifact = read_artifact(find_model("ship"))
    built = build_engine(artifact, recipe_for(artifact))
    assert len(built.engine) > len(artifact.content)


def test_an_unknown_operator_is_named(tmp_path):
    node = onnx.helper.make_node("DFT", ["visible"], ["fused"], name="spectrum")
    artifact = foreign(tmp_path, node)
    with pytest.raises(UserError) as error:
        build_engine(artifact, recipe_for(artifact))
    assert str(error.value) == (
        f"{artifact.path}: tensorrt-rtx cannot read node 'spectrum' of the model, DFT: "
        "it does not know this operator"
    )


def test_a_node_that_cannot_be_built_is_named(model):
    """TensorRT-RTX multiplies no FP32 matrices on Turing, and finds out late."""
    artifact = read_artifact(model)
    wanted = recipe_for(artifact, "32x48", "32x48", "32x48", compute_capabilities=["7.5"])
    named = r"cannot build the engine: .*'node_(?i:matmul)_\d+'"
    with pytest.raises(UserError, match=named) as error:
        build_engine(artifact, wanted)
    assert "\n" not in str(error.value)
    assert "buildSerializedNetwork" not in str(error.value)


def test_the_errors_of_one_build_are_not_those_of_the_next(tmp_path, model):
    node = onnx.helper.make_node("DFT", ["visible"], ["fused"], name="spectrum")
    artifact = foreign(tmp_path, node)
    with pytest.raises(UserError):
        build_engine(artifact, recipe_for(artifact))
    assert load("tensorrt-rtx").logger._errors  # so there is something to mix up
    artifact = read_artifact(model)
    wanted = recipe_for(artifact, "32x48", "32x48", "32x48", compute_capabilities=["7.5"])
    with pytest.raises(UserError) as error:
        build_engine(artifact, wanted)
    assert "DFT" not in str(error.value)


def test_an_interrupt_stops_the_builder(model, monkeypatch):
    """It reaches the thread that waits for the builder, which must not run to its end then."""
    started, ends = threading.Event(), []
    real_build = builder._build

    def build(*arguments):
        started.set()
        try:
            real_build(*arguments)
        except UserError as error:
            ends.append(str(error))

    class Pool(ThreadPoolExecutor):
        def submit(self, *arguments):
            super().submit(*arguments)
            assert started.wait(60)
            raise KeyboardInterrupt

    monkeypatch.setattr(builder, "_build", build)
    monkeypatch.setattr(builder, "ThreadPoolExecutor", Pool)
    artifact = read_artifact(model)

    with pytest.raises(KeyboardInterrupt):
        build_engine(artifact, recipe_for(artifact, "32x48", "32x48", "32x48"))

    assert len(ends) == 1 and "canceled by user" in ends[0]


def test_a_timing_cache_goes_in_and_comes_out(fixed_model):
    """By TensorRT's calls; TensorRT-RTX still has them, though it keeps nothing there."""
    artifact = read_artifact(fixed_model)
    with pytest.warns(DeprecationWarning):
        built = build_engine(artifact, recipe_for(artifact), timing_cache=b"")
    assert built.timing_cache


def test_the_way_of_tensorrt_with_the_other_module(fixed_model, monkeypatch):
    """No `tensorrt` here: its sister stands in, so that at least every line runs."""
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(**vars(trt)))
    sys.modules["tensorrt"].__version__ = "11.0.0"
    monkeypatch.setattr(flavour, "_loaded", {})
    monkeypatch.setattr(recipe, "find_gpu", lambda device: BOARD)
    used = []
    monkeypatch.setattr(builder, "use_gpu", used.append)
    artifact = read_artifact(fixed_model)

    tensorrt = load("tensorrt")
    wanted = make_recipe(artifact, tensorrt, choose_profile("48x64"))
    spy, seen = spied(tensorrt)
    monkeypatch.setattr(builder, "load", lambda _: spy)
    built = build_engine(artifact, wanted, device=1)

    assert len(built.engine) > len(artifact.content)
    assert (wanted.flavour, wanted.version, wanted.gpu) == ("tensorrt", "11.0.0", BOARD)
    assert wanted.compute_capabilities == ("8.6",)
    assert used == [1]
    assert seen["targets"] == []  # TensorRT has no such setting


def test_tensorrt_needs_a_gpu(model):
    tensorrt = replace(load("tensorrt-rtx"), name="tensorrt", targets=False)
    artifact = read_artifact(model)
    with pytest.raises(UserError, match="needs the GPU that it builds for: no GPU in this test"):
        make_recipe(artifact, tensorrt, choose_profile("any"))
    with pytest.raises(UserError, match="--compute-capability is for tensorrt-rtx"):
        make_recipe(artifact, tensorrt, choose_profile("any"), ["8.6"])


def test_the_gpu_at_hand_is_the_target(model, monkeypatch):
    monkeypatch.setattr(recipe, "find_gpu", lambda device: BOARD)
    artifact = read_artifact(model)
    here, named = recipe_for(artifact), recipe_for(artifact, compute_capabilities=["8.9"])
    assert (here.compute_capabilities, here.targets_its_gpu) == (("8.6",), True)
    assert (named.compute_capabilities, named.targets_its_gpu) == (("8.9",), False)
    chosen = []
    config = SimpleNamespace(set_compute_capability=lambda target, i: chosen.append((target, i)))
    builder._set_targets(load("tensorrt-rtx"), here, config)
    builder._set_targets(load("tensorrt-rtx"), named, config)
    assert chosen == [(trt.ComputeCapability.CURRENT, 0), (trt.ComputeCapability.SM89, 0)]


@pytest.mark.parametrize("capability", ["8.7", "9.0", "10.3"])
def test_a_gpu_that_tensorrt_rtx_does_not_support(model, monkeypatch, capability):
    """An engine for the current GPU is built on an H100, and then not loaded there."""
    board = Gpu("A server's board", capability, "13.0")
    monkeypatch.setattr(recipe, "find_gpu", lambda device: board)
    artifact, rtx = read_artifact(model), load("tensorrt-rtx")
    with pytest.raises(UserError) as error:
        recipe_for(artifact)
    assert str(error.value) == (
        f"tensorrt-rtx {rtx.version} does not support A server's board (compute capability "
        f"{capability}), only 7.5, 8.0, 8.6, 8.9, 12.0, 12.1 and newer; build with --flavour "
        "tensorrt for this GPU, or with --compute-capability for another"
    )
    elsewhere = recipe_for(artifact, compute_capabilities=["8.9"])
    assert elsewhere.compute_capabilities == ("8.9",)
    tensorrt = replace(rtx, name="tensorrt", targets=False)
    here = make_recipe(artifact, tensorrt, choose_profile("any"))
    assert here.compute_capabilities == (capability,)


def test_a_gpu_newer_than_tensorrt_rtx_can_name_is_supported(model, monkeypatch):
    monkeypatch.setattr(recipe, "find_gpu", lambda device: Gpu("A newer board", "13.0", "14.0"))
    assert recipe_for(read_artifact(model)).compute_capabilities == ("13.0",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compute_capabilities": ["9.9"]}, r"'9\.9', tensorrt-rtx .* knows 7\.5, 8\.0"),
        ({"compute_capabilities": ["86"]}, "--compute-capability is '86'"),
        ({"workspace": 0}, "--workspace is 0, expected at least 1 MiB"),
    ],
)
def test_bad_options(model, options, message):
    with pytest.raises(UserError, match=message):
        recipe_for(read_artifact(model), **options)


def test_too_little_workspace_says_so(model):
    artifact = read_artifact(model)
    with pytest.raises(UserError, match=r"cannot build the engine: .*(workspace|OutOfMemory)"):
        build_engine(artifact, recipe_for(artifact, workspace=1))


def test_a_flavour_that_is_not_there(monkeypatch):
    with pytest.raises(UserError, match="unknown flavour 'trt', expected one of: tensorrt, ten"):
        load("trt")
    monkeypatch.setattr(flavour, "_loaded", {})
    for module in flavour.MODULES.values():
        monkeypatch.setitem(sys.modules, module, None)
    for name in flavour.MODULES:
        with pytest.raises(UserError, match=rf"pip install '\.\[{name}\]'"):
            load(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"TensorRT is not installed: pip install '\.\[t"):
        load()


def test_an_old_tensorrt(monkeypatch):
    monkeypatch.setattr(flavour, "_loaded", {})
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(**vars(trt)))
    sys.modules["tensorrt"].__version__ = "10.2.0"
    with pytest.raises(UserError, match=r"tensorrt is 10\.2\.0, expected at least 10\.3"):
        load("tensorrt")
