"""`ship-deploy doctor`: what is here, and how to get the rest."""

import os
import subprocess
import sys
from dataclasses import replace

import cv2
import pytest

from ship_deploy.commands import doctor
from ship_deploy.cuda.jetson import Jetson
from ship_deploy.errors import UserError
from tests.ship_deploy.commands.process import WITHOUT_GPU, ship_deploy


def test_doctor_names_what_is_here_and_how_to_get_the_rest():
    result = ship_deploy("doctor", env={**os.environ, "COLUMNS": "120"})
    assert result.returncode == 0, result.stderr
    assert "ONNX Runtime" in result.stdout
    assert "NVIDIA GPU" in result.stdout
    assert "TensorRT-RTX" in result.stdout
    assert "cuda-python" in result.stdout
    assert "default model" in result.stdout and "ship-s: the bundled model that" in result.stdout


def test_doctor_without_what_engines_need():
    """Also with cuda-python and no driver, or with a GPU that is hidden: a line, no traceback."""
    code = (
        "import sys\n"
        "sys.modules['tensorrt'] = sys.modules['tensorrt_rtx'] = None\n"
        "from ship_deploy.commands.doctor import examine\nexamine()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=120,
        env={**WITHOUT_GPU, "COLUMNS": "150", "PATH": ""},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "apt install ffmpeg" in result.stdout
    for name, module in (("tensorrt", "tensorrt"), ("tensorrt-rtx", "tensorrt_rtx")):
        assert f"{module} is not installed: pip install '.[{name}]'" in result.stdout
    (line,) = (line for line in result.stdout.splitlines() if "GPU through cuda-python" in line)
    assert "no NVIDIA" in line and "(CUDA error " in line


@pytest.mark.parametrize(
    ("version", "warned"),
    [("4.9.0", True), ("4.12.0-dev", True), ("4.13.0", False), ("5.0.0", False)],
)
def test_an_opencv_that_crashes_is_told(monkeypatch, version, warned):
    monkeypatch.setattr(cv2, "__version__", version)
    _, state, said = doctor._opencv()
    assert state == doctor.OK and said.startswith(version)
    assert ("before 4.13, a camera that changes the sampling" in said) == warned


ORIN = Jetson("NVIDIA Jetson AGX Orin", "36.4.0", "6", "30W", "0", False, 29.9)


def test_a_jetson_is_told_with_what_makes_it_faster():
    board, jetpack, speed = doctor._jetson(ORIN)
    assert board == ("Jetson", doctor.OK, "NVIDIA Jetson AGX Orin, 29.9 GiB that CPU and GPU share")
    assert jetpack == ("JetPack", doctor.OK, "JetPack 6, Jetson Linux 36.4.0")
    assert "power mode 30W; for the one without a limit: sudo nvpmodel -m 0" in speed[2]
    assert "sudo jetson_clocks" in speed[2]
    *_, speed = doctor._jetson(replace(ORIN, mode="MAXN", fixed_clocks=True))
    assert speed[2] == "power mode MAXN; clocks held at their highest"


@pytest.mark.parametrize(
    ("board", "said"),
    [
        (replace(ORIN, release="35.4.1", jetpack="5"), "TensorRT engines need JetPack 6"),
        (replace(ORIN, release="", jetpack=""), "in a container, mount it from the host"),
    ],
)
def test_a_jetson_that_is_too_old_or_tells_nothing(board, said):
    _, (_, state, words), _ = doctor._jetson(board)
    assert state == doctor.MISSING and said in words


def test_a_jetson_without_tensorrt_is_told_of_apt(monkeypatch):
    def missing(name):
        raise UserError(f"{name} is not installed")

    monkeypatch.setattr(doctor, "load", missing)
    (_, state, said), (_, _, other) = doctor._tensorrt(ORIN)
    assert state == doctor.MISSING
    assert "apt-get install python3-libnvinfer" in said and "--system-site-packages" in said
    assert other == "not made for Jetson; TensorRT is"
    (_, _, said), _ = doctor._tensorrt(None)
    assert said == "tensorrt is not installed"
