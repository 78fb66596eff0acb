"""A camera of V4L2's that needs no driver: `v4l2_camera.c`, in the process of a test's script."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# What a P2 Pro and a Boson offer, in one device; the first is the default.
MODES = "YUYV 256 384 25;YUYV 256 192 25;Y16  640 512 30;Y16  640 512 60;Y16  320 256 60;"
MODES += "Y12  320 256 60"
COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None, reason="needs Linux and a C compiler"
)


def build(folder: Path) -> Path:
    """Compile it."""
    library, source = folder / "v4l2.so", Path(__file__).with_name("v4l2_camera.c")
    command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
    subprocess.run(command, check=True)
    return library


def run(library: Path, device: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run Python where `device` is the camera."""
    found = {**os.environ, "LD_PRELOAD": str(library), "CAMERA": str(device), "MODES": MODES}
    whole = [sys.executable, *map(str, command)]
    return subprocess.run(whole, env=found, capture_output=True, text=True, timeout=120)


def picture(number: int, size: int) -> np.ndarray:
    """The bytes of a frame."""
    place = np.arange(size)
    return ((place + place // 251 + number) % 256).astype(np.uint8)
