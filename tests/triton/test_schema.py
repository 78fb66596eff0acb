"""Every `config.pbtxt` by Triton's own schema, model_config.proto. `make test-triton` runs it."""

from pathlib import Path

import pytest

pytest.importorskip("tritonclient.grpc", reason="needs tritonclient: make test-triton")

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as model_config

from export.triton import write_repository
from ship_deploy.cuda.gpu import Gpu
from ship_deploy.engines.passport import write_engine
from ship_deploy.engines.profile import Profile
from ship_deploy.engines.recipe import Recipe
from ship_deploy.models import CATALOGUE

RECIPE = Recipe(
    model="night.onnx",
    model_digest="5eed" * 16,
    metadata={"precision": "fp16", "size": "any"},
    flavour="tensorrt",
    version="10.13.3",
    package_version="0.1.0",
    compute_capabilities=("8.6",),
    gpu=Gpu("A board", "8.6", "13.0"),
    profile=Profile((1, 256, 320), (4, 480, 640), (4, 1080, 1920)),
)


def read(folder: Path) -> object:
    config = text_format.Parse((folder / "config.pbtxt").read_text(), model_config.ModelConfig())
    assert config.name == folder.name
    return config


def check_frames(config, *size: int) -> None:
    tensors = {tensor.name: tensor for tensor in (*config.input, *config.output)}
    assert {name: list(tensor.dims) for name, tensor in tensors.items()} == {
        "visible": [*size, 3],
        "infrared": [*size],
        "fused": [*size, 3],
    }
    assert all(t.data_type == model_config.DataType.TYPE_UINT8 for t in tensors.values())


def test_bundled_models_for_onnx_runtime(tmp_path):
    folders = write_repository(tmp_path)

    assert [folder.name for folder in folders] == list(CATALOGUE)
    for folder in folders:
        config = read(folder)
        assert (config.backend, config.max_batch_size) == ("onnxruntime", 8)
        check_frames(config, -1, -1)
        assert config.HasField("dynamic_batching")
        (group,) = config.instance_group
        assert (group.count, group.kind) == (1, model_config.ModelInstanceGroup.KIND_AUTO)
        assert config.version_policy.latest.num_versions == 1
        (warm_up,) = config.model_warmup
        assert list(warm_up.inputs["visible"].dims) == [480, 640, 3]
        (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert dict(accelerator.parameters)["use_tf32"] == "0"
        assert len(config.parameters["digest"].string_value) == 64


def test_bundled_models_for_the_python_backend(tmp_path):
    folders = write_repository(tmp_path, python=True, batch=1, instances=3)

    assert [folder.name for folder in folders] == [f"{name}-python" for name in CATALOGUE]
    for folder in folders:
        config = read(folder)
        assert (config.backend, config.max_batch_size) == ("python", 1)
        assert config.instance_group[0].count == 3 and not config.HasField("dynamic_batching")
        check_frames(config, -1, -1)


def test_an_engine_for_tensorrt(tmp_path):
    write_engine(tmp_path / "night.engine", b"plan", RECIPE)

    (folder,) = write_repository(tmp_path / "models", [tmp_path / "night.engine"])

    config = read(folder)
    assert (config.backend, config.max_batch_size) == ("tensorrt", 4)
    assert config.instance_group[0].kind == model_config.ModelInstanceGroup.KIND_GPU
    check_frames(config, -1, -1)
    assert (folder / "1" / "model.plan").read_bytes() == b"plan"
