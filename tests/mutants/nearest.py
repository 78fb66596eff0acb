"""Runs the tests of the one file that differs from the last commit.

Tests mirror the packages, so those of `ship_deploy/streams/pairer.py` are
`tests/ship_deploy/streams/test_pairer*.py`; where there are none, those of its folder.
"""

import os
import subprocess
import sys
from pathlib import Path


def nearest(path: Path) -> list[str]:
    """The test files of a file of the package, or the folder of tests that it belongs to."""
    folder = Path("tests") / path.parent
    name = path.parent.name if path.stem == "__init__" else path.stem
    own = sorted({*folder.glob(f"test_{name}.py"), *folder.glob(f"test_{name}_*.py")})
    while not own and not folder.is_dir():
        folder = folder.parent
    return list(map(str, own or [folder]))


def main() -> None:
    """Replace this process by pytest; it fails if the tests see the difference."""
    found = subprocess.run(
        ["git", "diff", "--name-only"], capture_output=True, text=True, check=True
    ).stdout.split()
    (changed,) = [Path(name) for name in found if name.endswith(".py")]
    options = ["-q", "-x", "-p", "no:cacheprovider"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *options, *nearest(changed)])


if __name__ == "__main__":
    main()
