"""Files that several commands are given."""

from pathlib import Path

import pytest

from ship_deploy.images import write_png
from training.scenes import render


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    visible, infrared = render(0, 48, 64)
    write_png(tmp_path / "v.png", visible)
    write_png(tmp_path / "i.png", infrared)
    return tmp_path / "v.png", tmp_path / "i.png"
