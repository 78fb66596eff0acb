"""Fixtures that several folders of tests share, and what the header of a test run says."""

import importlib
import os
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are taken by the other workers
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from filelock import FileLock

from export.models import export_models
from export.precision import Precision
from ship_deploy import Fuser, UserError
from ship_deploy.cuda.gpu import find_gpu
from training.checkpoints import save_network
from training.colour import fuse_frames
from training.data_folder import VARIABLE, data_folder
from training.networks import SHIP
from training.scenes import render

# Half a minute and more each. Begun last, one of them would be waited for at the end of a run.
LONGEST = {
    *("test_golden.py", "test_golden_fiscnet.py", "test_models.py", "test_engines.py"),
    "test_tensorrt.py",
    *("test_precision.py", "test_resuming.py", "test_devices.py", "test_layers.py"),
}

Once = Callable[[str, Callable[[Path], object]], Path]
ENGINES = ("onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx", "cuda-python", "pycuda")


def pytest_report_header() -> list[str]:
    def found(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    providers = importlib.import_module("onnxruntime").get_available_providers()
    return [
        "versions: "
        + ", ".join(map(found, ("torch", "onnx", "onnxscript", "numpy", "opencv-python"))),
        "engines: " + ", ".join(map(found, ENGINES)),
        f"devices: ONNX Runtime providers {providers}, CUDA in torch: {torch.cuda.is_available()}",
        f"data: {data_folder() or f'no {VARIABLE}'}, browser: {shutil.which('chromium') or 'none'}",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Golden data, the authors' checkpoint and real pairs, which do not live in the repository."""
    folder = data_folder()
    if folder is None:
        pytest.skip(f"needs {VARIABLE}: a folder with golden data and the authors' checkpoint")
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Fills a folder, known by name, that all processes of a test run share; the first one does."""
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    root = Path(os.environ.setdefault("MADE_ONCE", str(root)))  # for what tests start, too

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, unfinished = root / name, root / f"{name}.unfinished"
        with FileLock(root / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def small_checkpoint(once: Once) -> Path:
    """A SHIP of the smallest size, with random weights, whose pictures use the whole range."""

    def fill(folder: Path) -> None:
        torch.manual_seed(0)
        network = SHIP(channels=4, interactions=1, orders=1)
        with torch.no_grad():
            visible, infrared = (torch.from_numpy(side)[None] for side in render(0, 64, 96))
            deviation, mean = torch.std_mean(fuse_frames(network, visible, infrared)[1])
            network.output.weight *= 0.25 / deviation
            network.output.bias.sub_(mean).mul_(0.25 / deviation).add_(0.5)
        save_network(network, folder / "small.safetensors")

    return once("checkpoint", fill) / "small.safetensors"


@pytest.fixture(scope="session")
def small_models(small_checkpoint: Path, once: Once) -> Path:
    """Folder with small.onnx and small.luminance.onnx, exported and verified."""
    return once("models", lambda folder: export_models(small_checkpoint, folder))


@pytest.fixture(scope="session")
def small_fp16_models(small_checkpoint: Path, once: Once) -> Path:
    """Folder with small.fp16.onnx and small.fp16.luminance.onnx, exported and verified."""
    fp16 = [Precision.FP16]
    return once("fp16", lambda folder: export_models(small_checkpoint, folder, precisions=fp16))


@pytest.fixture(scope="session")
def model(small_models: Path) -> Path:
    return small_models / "small.onnx"


@pytest.fixture(scope="session")
def fuser(model: Path) -> Fuser:
    return Fuser(model, device="cpu", threads=1)


@pytest.fixture
def frames() -> tuple[np.ndarray, np.ndarray]:
    """A small rendered pair: visible (64, 96, 3) BGR, infrared (64, 96)."""
    return render(3, 64, 96)


@pytest.fixture
def no_gpu() -> str:
    """Why there is no GPU here; a test of what is said then has no place on a machine with one."""
    try:
        find_gpu()
    except UserError as error:
        return str(error)
    pytest.skip("there is a GPU")
