"""FP16 engines, built by TensorRT-RTX, which takes the types as they stand and needs no GPU."""

from pathlib import Path

import onnx
import pytest
import torch
from onnx import ModelProto, helper
from typer.testing import CliRunner

from benchmarks.operators import problems
from export.__main__ import app
from export.build import Graph, build, finish
from export.models import model_name
from export.precision import Precision
from ship_deploy.artifact import read_artifact
from ship_deploy.commands.build import build_file
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.flavour import load
from ship_deploy.engines.passport import read_whole
from ship_deploy.engines.profile import choose_profile
from ship_deploy.engines.recipe import make_recipe
from training.checkpoints import load_network
from training.networks.fiscnet import FISCNet

pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx, of the group test")
CONFIGS = Path(__file__).parents[2] / "configs"  # with the weights of the bundled models
ANY = ("32x48", "96x128", "160x192")  # smallest, best, largest


def growth(model: Path, *profile: str) -> int:
    """Build an engine of an FP16 model; bytes by which it is the larger."""
    artifact = read_artifact(model)
    wanted = make_recipe(
        artifact,
        load("tensorrt-rtx"),
        choose_profile("any", *profile),
        compute_capabilities=["8.6"],
    )
    return len(build_engine(artifact, wanted).engine) - len(artifact.content)


def unsupported(model: ModelProto) -> list[str]:
    """What `polygraphy inspect capability` shows: the nodes that the parser does not support."""
    flavour = load("tensorrt-rtx")
    builder = flavour.trt.Builder(flavour.logger)
    network = builder.create_network(0)  # which the parser does not keep alive
    parser = flavour.trt.OnnxParser(network, flavour.logger)
    parser.supports_model_v2(model.SerializeToString())
    flavour.logger.take()
    return [
        model.graph.node[number].op_type
        for part in range(parser.num_subgraphs)
        if not parser.is_subgraph_supported(part)
        for number in parser.get_subgraph_nodes(part)
    ]


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("graph", list(Graph))
def test_every_node_is_supported(small_models, small_fp16_models, precision, graph):
    folder = small_fp16_models if precision is Precision.FP16 else small_models
    model = onnx.load(folder / model_name("small", graph, precision))
    assert unsupported(model) == []
    # A Fourier transform is what TensorRT-RTX does not know, so something would be seen.
    model.graph.node.insert(5, helper.make_node("DFT", ["infrared"], ["unused"]))
    assert unsupported(model)


def test_small_network_of_any_size(small_fp16_models):
    assert growth(small_fp16_models / "small.fp16.onnx", *ANY) > 0


@pytest.mark.parametrize("name", ["ship", "ship-s", "ship-t"])
def test_shipped_network_of_any_size(name, tmp_path):
    network = load_network(CONFIGS / f"{name}.safetensors")
    model = build(network, Graph.FRAMES, None, Precision.FP16)
    assert unsupported(model) == []
    assert not any(any(row.values()) for row in problems(model).values())  # in any TensorRT
    path = tmp_path / "model.onnx"
    path.write_bytes(finish(model, graph="frames", precision="fp16", size="any"))
    assert growth(path, *ANY) > 0


def test_fiscnet_of_any_size(tmp_path):
    torch.manual_seed(0)
    model = build(FISCNet(channels=4, levels=1).eval(), Graph.FRAMES, None, Precision.FP16)
    assert unsupported(model) == []
    path = tmp_path / "fiscnet.onnx"
    path.write_bytes(finish(model, network="FISCNet", graph="frames", precision="fp16", size="any"))

    build_file(path, tmp_path / "fiscnet.engine", flavour="tensorrt-rtx", sizes=ANY)

    engine, passport = read_whole(tmp_path / "fiscnet.engine")
    assert passport.recipe.metadata["network"] == "FISCNet"
    assert len(engine) > path.stat().st_size


def test_models_and_engines_of_one_size_in_one_go(small_checkpoint, tmp_path):
    options = ["--height", "48", "--width", "64", "--precision", "fp16", "--engine"]
    result = CliRunner().invoke(app, [str(small_checkpoint), "-o", str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    engine, passport = read_whole(tmp_path / "small.fp16.engine")
    assert passport.recipe.metadata["precision"] == "fp16"
    assert len(engine) > (tmp_path / "small.fp16.onnx").stat().st_size
    assert not (tmp_path / "small.fp16.luminance.engine").exists()
