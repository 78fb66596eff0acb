"""A model repository for Triton Inference Server: for each model a folder with `config.pbtxt`.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ship_deploy.artifact import VERSION, read_artifact
from ship_deploy.backends import is_engine
from ship_deploy.engines.passport import read_whole
from ship_deploy.engines.profile import Profile, choose_profile
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.models import CATALOGUE, find_model

BATCH = 8
DYNAMIC = "dynamic_batching { }\n"
FILES = {"onnxruntime": "model.onnx", "tensorrt": "model.plan", "python": "model.onnx"}
"""Backend of Triton -> what it calls the file of a model."""
PYTHON_MODEL = '''\
"""Fuses by `Fuser`: the Python of Triton's Python backend has to have ship-deploy."""

from ship_deploy.adapters.triton_model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''
# By default, ONNX Runtime keeps 10 bits of the mantissa on a GPU, and times kernels at the first
# frame of every size, so that bits differ from run to run.
_OPTIMIZATION = """\
optimization {
  execution_accelerators {
    gpu_execution_accelerator [
      {
        name: "cuda"
        parameters { key: "use_tf32" value: "0" }
        parameters { key: "cudnn_conv_algo_search" value: "HEURISTIC" }
      }
    ]
  }
}
"""


@dataclass(frozen=True)
class _Served:
    """A model as a server gets it.

    Attributes:
        name: of its folder, which requests are sent to.
        backend: of Triton.
        content: of its file.
        size: "any", or "HxW" where the model takes one size of frames only.
        usual: (height, width) of the frames that it is warmed up with.
        batch: the most frames that are computed together.
        facts: about the model, which clients can ask the server for.
    """

    name: str
    backend: Literal["onnxruntime", "tensorrt", "python"]
    content: bytes
    size: str
    usual: tuple[int, int]
    batch: int
    facts: Mapping[str, str]


def write_repository(
    repository: Path,
    models: Sequence[str | Path] = (),
    *,
    python: bool = False,
    batch: int | None = None,
    instances: int | None = None,
) -> list[Path]:
    """Write models into a repository; a model that changed becomes its next version.

    An ONNX model is for Triton's ONNX Runtime backend, an engine of TensorRT for its TensorRT
    backend, in a folder called `NAME-tensorrt`.

    Args:
        repository: folder; made if need be. Other models in it stay.
        models: names of bundled models, or paths of models or engines; all bundled ones if none.
        python: write ONNX models for the Python backend, which runs `Fuser`, as `NAME-python`.
        batch: the most frames of one size that the server computes together; 8, or as many as an
            engine was built for, if not given.
        instances: copies of each model that work at the same time, on each GPU or on the CPU; 1 if
            not given.

    Returns:
        The folders of the models.

    Raises:
        UserError: a model cannot be read or served, or the folder not be written to. Nothing is
            written if a model is at fault.
    """
    for option, number in (("--batch", batch), ("--instances", instances)):
        if number is not None and number < 1:
            raise UserError(f"{option} is {number}, expected at least 1")
    served = [_read(model, python, batch) for model in models or CATALOGUE]
    names = [each.name for each in served]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"two models are called {min(twice)}; rename one")
    return [_write(repository / each.name, each, instances or 1) for each in served]


def configure(served: _Served, instances: int) -> str:
    """The `config.pbtxt`, a `ModelConfig` of Triton's model_config.proto in text form."""
    height, width = (-1, -1) if served.size == "any" else served.usual
    kind = {"onnxruntime": "KIND_AUTO", "tensorrt": "KIND_GPU", "python": "KIND_AUTO"}
    facts = {"ship-deploy": VERSION, **served.facts}
    parameters = "".join(
        f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
        for key, value in facts.items()
    )
    return (
        f'name: "{served.name}"\n'
        f'backend: "{served.backend}"\n'
        f"max_batch_size: {served.batch}\n"
        "input [\n"
        f'  {{ name: "visible" data_type: TYPE_UINT8 dims: [ {height}, {width}, 3 ] }},\n'
        f'  {{ name: "infrared" data_type: TYPE_UINT8 dims: [ {height}, {width} ] }}\n'
        "]\n"
        "output [\n"
        f'  {{ name: "fused" data_type: TYPE_UINT8 dims: [ {height}, {width}, 3 ] }}\n'
        "]\n"
        # No timeouts in the queue: with them, Triton 2.51 now and then lets a request wait for
        # 500 ms (https://github.com/triton-inference-server/server/issues/8870).
        f"{DYNAMIC if served.batch > 1 else ''}"
        f"instance_group [ {{ count: {instances} kind: {kind[served.backend]} }} ]\n"
        "version_policy { latest { num_versions: 1 } }\n"
        f"{_OPTIMIZATION if served.backend == 'onnxruntime' else ''}"
        f"{_warm_up(served.usual)}"
        f"{parameters}"
    )


def _warm_up(size: tuple[int, int]) -> str:
    height, width = size
    inputs = "".join(
        f'    inputs {{ key: "{name}" value {{ data_type: TYPE_UINT8 dims: [ {dims} ] '
        "zero_data: true } }\n"
        for name, dims in (
            ("visible", f"{height}, {width}, 3"),
            ("infrared", f"{height}, {width}"),
        )
    )
    return f'model_warmup [\n  {{\n    name: "{height}x{width}" batch_size: 1\n{inputs}  }}\n]\n'


def _read(model: str | Path, python: bool, batch: int | None) -> _Served:
    path = find_model(model)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", path.stem):
        raise UserError(f"{path}: a name that Triton cannot serve; rename it, such as my-model")
    if is_engine(path):
        return _read_engine(path, python, batch)
    artifact = read_artifact(path)
    if artifact.metadata.get("graph") != "frames":
        raise UserError(f"{path}: takes luminance, for verification, not camera frames")
    size = artifact.metadata["size"]
    return _Served(
        f"{path.stem}-python" if python else path.stem,
        "python" if python else "onnxruntime",
        artifact.content,
        size,
        _usual(choose_profile(size)),
        batch or BATCH,
        {"precision": artifact.metadata["precision"], "digest": artifact.digest},
    )


def _read_engine(path: Path, python: bool, batch: int | None) -> _Served:
    content, passport = read_whole(path)
    recipe = passport.recipe
    if python or recipe.flavour != "tensorrt":
        what = (
            "--python is for ONNX models"
            if python
            else f"Triton runs TensorRT, not {recipe.flavour}"
        )
        raise UserError(f"{path}: {what}")
    most = recipe.profile.max[0]
    if batch is not None and batch > most:
        raise UserError(f"--batch is {batch}, but {path} takes {most}; build it with --batch")
    return _Served(
        f"{path.stem}-tensorrt",
        "tensorrt",
        content,
        recipe.metadata["size"],
        _usual(recipe.profile),
        batch or most,
        {"precision": recipe.metadata["precision"], "digest": passport.engine_digest},
    )


def _usual(profile: Profile) -> tuple[int, int]:
    _, height, width = profile.opt
    return height, width


def _write(folder: Path, served: _Served, instances: int) -> Path:
    """The newest version last, in one step: a server that looks meanwhile sees it whole."""
    make_folder(folder)
    write_atomically(folder / "config.pbtxt", configure(served, instances).encode())
    number = max((int(p.name) for p in folder.iterdir() if p.name.isdecimal()), default=0)
    file = FILES[served.backend]
    newest = folder / str(number) / file
    if newest.exists() and newest.read_bytes() == served.content:
        return folder
    unfinished = folder / f".{number + 1}"  # Triton takes no such name for a version
    make_folder(unfinished)
    write_atomically(unfinished / file, served.content)
    if served.backend == "python":
        write_atomically(unfinished / "model.py", PYTHON_MODEL.encode())
    unfinished.rename(folder / str(number + 1))
    return folder
