"""Environments of their own, under build/, for packages that do not go with ours."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ship_deploy.errors import UserError

FOLDER = Path(__file__).parents[1] / "build" / "tools"


def environment(packages: Sequence[str]) -> Path:
    """Python in an environment with these packages; it is made where it is not there yet.

    Args:
        packages: as pip takes them.

    Raises:
        UserError: they cannot be installed.
    """
    folder = FOLDER / "".join(c if c.isalnum() else "-" for c in "_".join(packages))
    python, made = folder / "bin" / "python", folder / "made"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        do([sys.executable, "-m", "venv", str(folder)])
        do([str(python), "-m", "pip", "install", "--quiet", *packages])
        made.touch()
    return python


def do(command: Sequence[str], folder: Path | None = None) -> str:
    """What a command prints, run in a folder.

    Raises:
        UserError: it failed; with the last line of what it said.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise UserError(lines[-1] if lines else f"ended with {done.returncode}")
    return done.stdout
