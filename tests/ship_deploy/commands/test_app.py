"""`ship-deploy` itself: usage, help, errors."""

import os

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ship_deploy.commands.app import app
from tests.ship_deploy.commands.process import check_refused, ship_deploy


@pytest.mark.parametrize(
    "arguments", [["fuse"], ["fuse", "a", "b"], ["nonsense"], ["fuse", "a", "b", "-o", "c", "--x"]]
)
def test_wrong_usage(arguments):
    result = ship_deploy(*arguments)
    assert result.returncode == 2
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [[], *([name] for name in get_command(app).commands)])
def test_help(command):
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert "…" not in result.stdout  # nothing is cut


def test_help_of_the_installed_program():
    result = ship_deploy("--help")
    assert result.returncode == 0
    assert "find-dead-pixels" in result.stdout


def test_debug_shows_where(model, tmp_path):
    result = ship_deploy("info", tmp_path / "none.onnx", "--debug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_an_opencv_that_does_not_load(tmp_path):
    """As in a container without the libraries of a desktop."""
    reason = "libGL.so.1: cannot open shared object file"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({reason!r})\n")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "COLUMNS": "150", "PYTHONPATH": path}
    refused = ship_deploy("fuse", "a", "b", "-o", "c", env=environment)
    check_refused(refused, f"error: {reason}; run ship-deploy doctor to see what is missing\n")
    result = ship_deploy("doctor", env=environment)
    assert result.returncode == 0, result.stderr
    assert f"{reason}; apt install libgl1 libglib2.0-0" in " ".join(result.stdout.split())
    assert "onnxruntime on cpu" in result.stdout
