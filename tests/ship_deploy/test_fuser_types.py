"""What type checkers make of `Fuser`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_torch_program_passes_strict_mypy(tmp_path):
    pytest.importorskip("mypy", reason="needs mypy, of the group lint")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path),
            *("--follow-imports=silent", Path(__file__).with_name("torch_user.py")),
        ],
        env={**os.environ, "MYPYPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout
