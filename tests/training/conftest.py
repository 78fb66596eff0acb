"""The smallest run there is: two pairs of blurred noise, SHIP with 4 channels, crops of 16."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from training.config import Config

Recipe = Callable[..., Config]


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    for kind in ("visible", "infrared"):
        (folder / kind).mkdir()
        for stem in ("a", "b"):
            noise = cv2.GaussianBlur(random.random((32, 40), np.float32), (0, 0), 3)
            image = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
            assert cv2.imwrite(str(folder / kind / f"{stem}.png"), image)
    return folder


@pytest.fixture
def recipe(pairs: Path, tmp_path: Path) -> Recipe:
    """Makes a recipe of 4 iterations, saved every 2, into tmp_path / "tiny"; sections add to it."""

    def make(**sections: dict[str, Any]) -> Config:
        content: dict[str, dict[str, Any]] = {
            "run": {"name": "tiny", "folder": tmp_path, "save_every": 2, "accelerator": "cpu"},
            "data": {"folders": [{"path": pairs}], "crop": 16, "batch": 2},
            "network": {"channels": 4, "interactions": 1, "orders": 1},
            "optimiser": {"iterations": 4, "learning_rate": 1e-2, "average": 0.5},
        }
        for name, section in sections.items():
            content[name] = content.get(name, {}) | section
        return Config.model_validate(content)

    return make


@pytest.fixture(autouse=True)
def torch_as_it_was():
    """Training flushes denormals for good; and sums of other threads round in another way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
