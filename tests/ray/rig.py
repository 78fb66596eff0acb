"""A cluster on this machine, pairs to fuse, and the command as a process."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from pyarrow import parquet

from ship_deploy.bench.scene import draw
from ship_deploy.images import encode

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds; the machine may be busy


def make_pairs(folder: Path, count: int, height: int = 48, width: int = 64) -> Path:
    """A folder with visible/ and infrared/, whose pairs all differ."""
    pair = draw(height, width)
    for number in range(count):
        for side, image in zip(("visible", "infrared"), pair, strict=True):
            path = folder / side / f"{number % 3}" / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(path, np.roll(image, number, axis=1)))
    return folder


def start(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ship_deploy", "batch", *map(str, arguments)]
    return subprocess.Popen(
        [*command, "--model", "ship-t"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=2 * PATIENCE)
    return process.returncode, out, err


def batch(*arguments: object) -> tuple[int, str, str]:
    return finish(start(*arguments))


def rows_of(target: Path | str) -> dict[str, dict[str, Any]]:
    """The manifest's rows by name; there is one for each."""
    rows = parquet.read_table(f"{target}/manifest.parquet").to_pylist()
    found = {row["name"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def known_rows(target: Path) -> list[dict[str, Any]]:
    """The rows that are written so far of a job that runs."""
    parts = list(target.glob("manifest.parts/[0-9]*.parquet"))
    return [row for part in parts for row in parquet.read_table(part).to_pylist()]


def wait(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)
    return found


def written(target: Path) -> int:
    return len(list(target.rglob("*.png")))


def workers(process: "subprocess.Popen[Any]") -> list[psutil.Process]:
    """Processes that fuse below another one, such as a command with a Ray of its own."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "_Actor" in " ".join([child.name(), *child.cmdline()]):
                found.append(child)
        except psutil.Error:
            continue
    return found


def works(node: Any) -> bool:
    """Whether a process fuses on a node."""
    return bool(workers(node.all_processes["raylet"][0].process))


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """A cluster of nodes with one processor each, the first of which is the head."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(**node)
        yield made
    finally:
        made.shutdown()
