"""`ship-deploy doctor`: what is here, and how to get the rest."""

import os
import subprocess
import sys

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
