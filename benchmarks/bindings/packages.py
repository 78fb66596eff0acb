"""Packages of PyPI, fetched to be looked into and not to be installed."""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ship_deploy.errors import UserError


def fetch(folder: Path, package: str, version: str, *options: str) -> Path:
    """Download a wheel or an sdist and unpack it; the folder that it is then in.

    Raises:
        UserError: it is not to be had.
    """
    target = folder / f"{package}-{version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options]
    do(*command, "--dest", target, f"{package}=={version}")
    (archive,) = target.iterdir()
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
    else:
        with tarfile.open(archive) as source:
            source.extractall(target, filter="data")
    archive.unlink()
    return target


def do(*command: str | Path, path: Path | None = None) -> str:
    """What a command prints; `path` is where the loader looks for libraries first."""
    environment = {"PATH": "/usr/bin:/bin"} | ({"LD_LIBRARY_PATH": str(path)} if path else {})
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]} is needed, and not installed") from error
    except subprocess.CalledProcessError as error:
        raise UserError(f"{command[0]} failed: {error.stderr.strip()[-300:]}") from error
    return done.stdout


def grid(versions: Iterable[str], rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The lines of a Markdown table: names down, versions across."""
    versions = list(versions)
    lines = [f"| name | {' | '.join(versions)} |", "|---|" + ":-:|" * len(versions)]
    for name, cells in rows.items():
        lines.append(f"| `{name}` | {' | '.join(cells[version] for version in versions)} |")
    return lines
