"""Models that several benchmarks measure."""

import shutil
from pathlib import Path

import pytest

from benchmarks.models import Models


@pytest.fixture(scope="session")
def made(
    small_checkpoint: Path,
    small_models: Path,
    small_fp16_models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Models:
    """The smallest SHIP; its models are there already, engines join them."""
    folder = tmp_path_factory.mktemp("made") / "models"
    shutil.copytree(small_models, folder)
    shutil.copytree(small_fp16_models, folder, dirs_exist_ok=True)
    return Models(small_checkpoint, folder)
