"""A cluster on this machine, pairs to fuse, and the command as a process."""

import os
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
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
PATIENCE = 120.0  # seconds; the machine may be busy


def make_pairs(folder: Path, count: int, height: int = 48, width: int = 64) -> Path:
    """A folder with visible/ and infrared/, whose pairs all differ."""
    pair = draw(height, width)
    for number in range(count):
        for side, image in zip(("visible", "infrared"), pair, strict=True):
            path = folder / side / f"{number % 3}" / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(path, np.roll(image, number, axis=1)))
    return folder


def start(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ship_deploy", "batch", *map(str, arguments)]
    return subprocess.Popen(
        [*command, "--model", "ship-t"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, **environment},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=2 * PATIENCE)
    return process.returncode, out, err


def batch(*arguments: object, **environment: str) -> tuple[int, str, str]:
    return finish(start(*arguments, **environment))


def rows_of(target: Path | str) -> dict[str, dict[str, Any]]:
    """The manifest's rows by name; there is one for each."""
    rows = parquet.read_table(f"{target}/manifest.parquet").to_pylist()
    found = {row["name"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def wait(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)
    return found


def written(target: Path) -> int:
    return len(list(target.rglob("*.png")))


def workers() -> list[psutil.Process]:
    """Processes that fuse; those that this process or a child of it began."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "_Actor" in process.name() or "_Actor" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """A cluster of a head without processors and some nodes with one each."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20},
    )
    try:
        for _ in range(nodes - 1):
            made.add_node(num_cpus=1, object_store_memory=80 << 20)
        yield made
    finally:
        made.shutdown()
        os.environ.clear()
        os.environ.update(before)
