"""`ship-deploy batch` on 100,000 small pairs: pairs a second by workers, and what is held.

It runs where Ray is, which is not the environment of the other benchmarks: `make test-ray` makes
build/ray.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, record
from ship_deploy import Fuser
from ship_deploy.adapters.batch.cluster import block_size
from ship_deploy.adapters.batch.places import digest
from ship_deploy.bench.scene import draw
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.geometry.layer import Layer
from ship_deploy.images import encode, read_infrared, read_visible, write_png

ROOT = Path(__file__).parents[1]
DIFFERENT = 500  # pairs that are drawn; the others are links to these
LOOP = 500  # pairs that the plain loop fuses
NODES = 1000
FRAME = 480, 640  # height, width on paper
MILLIONS = 10  # of pairs on paper
EACH = 34.0  # pairs a second of a node on paper: `ship` in FP16 on an H100, by gpu.json
INTERVAL = 0.5  # seconds between looks at the memory


@dataclass(frozen=True)
class Run:
    """One run of the command.

    Attributes:
        workers: processes that fuse.
        pairs: in the source.
        seconds: from the first pair that was written to the last one.
        start: seconds until the first one.
        rate: pairs a second between them.
        driver: bytes of memory of the command's process, at most.
        ray: the same of all of Ray's own processes, PSS where the system tells it.
        workers_memory: the same of those that fuse.
        driver_cpu: seconds of processor time of the command's process.
        ray_cpu: the same of Ray's own.
        worker_cpu: the same of those that fuse.
        manifest: bytes of its rows, uncompressed; pairs that are the same would compress too well.
        block: pairs that a worker is given at a time.
    """

    workers: int
    pairs: int
    seconds: float
    start: float
    rate: float
    driver: int
    ray: int
    workers_memory: int
    driver_cpu: float
    ray_cpu: float
    worker_cpu: float
    manifest: int
    block: int


class _Watch(threading.Thread):
    """Looks at a process and its children: memory at most, and processor time."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process, self._ended = process, threading.Event()
        self.memory = {"driver": 0, "ray": 0, "workers": 0}
        self._cpu: dict[int, tuple[str, float]] = {}

    def run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._look()

    def end(self) -> dict[str, float]:
        """Stop; the seconds of processor time of each kind."""
        self._ended.set()
        self.join()
        found = dict.fromkeys(self.memory, 0.0)
        for kind, seconds in self._cpu.values():
            found[kind] += seconds
        return found

    def _look(self) -> None:
        import psutil

        now = dict.fromkeys(self.memory, 0)
        try:
            root = psutil.Process(self._process)
            processes = [root, *root.children(recursive=True)]
        except psutil.Error:
            return
        for process in processes:
            try:
                fusing = "_Actor" in " ".join([process.name(), *process.cmdline()])
                kind = "driver" if process == root else "workers" if fusing else "ray"
                memory = process.memory_full_info()
                now[kind] += getattr(memory, "pss", memory.rss)
                times = process.cpu_times()
                self._cpu[process.pid] = kind, times.user + times.system
            except psutil.Error:
                continue
        for kind, amount in now.items():
            self.memory[kind] = max(self.memory[kind], amount)


def make_source(folder: Path, pairs: int, height: int, width: int) -> None:
    """A folder called archive with visible/ and infrared/, a thousand pairs in each folder there.

    Some pairs are drawn; the others are further names of the same files.
    """
    pair = draw(height, width)
    for side, image in zip(("visible", "infrared"), pair, strict=True):
        drawn = folder / "drawn" / side
        drawn.mkdir(parents=True)
        for number in range(min(DIFFERENT, pairs)):
            path = drawn / f"{number}.png"
            path.write_bytes(encode(path, np.roll(image, number, axis=1)))
        for number in range(pairs):
            path = folder / "archive" / side / f"{number // 1000:03}" / f"{number:06}.png"
            if number % 1000 == 0:
                path.parent.mkdir(parents=True)
            os.link(drawn / f"{number % DIFFERENT}.png", path)


def measure(source: Path, target: Path, model: str, workers: int) -> Run:
    """Run the command once."""
    command = [sys.executable, "-m", "ship_deploy", "batch", str(source), "-o", str(target)]
    command += ["--model", model, "--workers", str(workers)]
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    began = time.time()
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        said = process.communicate()[1]
        cpu = watch.end()
    if process.returncode:
        raise UserError(f"ship-deploy batch failed: {said.strip().splitlines()[-1]}")
    first, last, pairs, manifest = _check(target)
    return Run(
        workers=workers,
        pairs=pairs,
        seconds=last - first,
        start=first - began,
        rate=(pairs - 1) / (last - first),
        driver=watch.memory["driver"],
        ray=watch.memory["ray"],
        workers_memory=watch.memory["workers"],
        driver_cpu=cpu["driver"],
        ray_cpu=cpu["ray"],
        worker_cpu=cpu["workers"],
        manifest=manifest,
        block=block_size(pairs, workers),
    )


def _check(target: Path) -> tuple[float, float, int, int]:
    """When the first and the last pair were done, how many there are, and the bytes of their rows.

    Raises:
        UserError: a row or an output is not right.
    """
    from pyarrow import compute, parquet

    rows = parquet.read_table(target / "manifest.parquet")
    wrong = [r["name"] for r in rows.to_pylist() if r["error"] or not Path(r["output"]).exists()]
    names = compute.count_distinct(rows["name"]).as_py()
    if wrong or names != len(rows):
        raise UserError(f"{len(wrong)} pairs failed, {len(rows) - names} rows are there twice")
    for row in rows.slice(0, 100).to_pylist():
        if digest(Path(row["output"])) != row["output_digest"]:
            raise UserError(f"{row['output']}: is not what the manifest says")
    times = compute.min_max(rows["finished"]).as_py()
    return times["min"].timestamp(), times["max"].timestamp(), len(rows), rows.nbytes


def loop(source: Path, model: str, pairs: int) -> float:
    """Pairs a second of a plain loop in one thread: read, fuse, write."""
    files = sorted((source / "visible").rglob("*.png"))[:pairs]
    fuser, lay = Fuser(model, device="cpu", threads=1), Layer()
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate([files[0], *files]):
            if number == 1:  # after the first one, which warms up
                began = time.perf_counter()
            visible = read_visible(path)
            other = source / "infrared" / path.relative_to(source / "visible")
            fused = fuser(visible, lay(read_infrared(other), visible.shape[:2]))
            write_png(Path(folder, f"{number}.png"), fused)
        return len(files) / (time.perf_counter() - began)


def run(
    output: Path, pairs: int, few: int, size: tuple[int, int], model: str, workers: Sequence[int]
) -> str:
    """Measure; write `batch.json` and `batch.md`.

    Args:
        output: a folder.
        pairs: of the long run, with the most workers.
        few: of the runs that are compared.
        size: (height, width) of the frames.
        model: a bundled one.
        workers: numbers of workers to compare.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name, count in (("few", few), ("all", pairs)):
            make_source(folder / name, count, *size)
        plain = loop(folder / "few" / "archive", model, min(LOOP, few))
        runs = [
            measure(folder / "few" / "archive", folder / f"out-{number}", model, number)
            for number in workers
        ]
        runs.append(measure(folder / "all" / "archive", folder / "out", model, max(workers)))
        large = draw(*FRAME)
        bytes_of = {
            "visible": len(encode(folder, large[0])),
            "infrared": len(encode(folder, large[1])),
            "fused": len(encode(folder, Fuser(model, device="cpu")(*large))),
        }
    content = {
        "machine": machine.describe(),
        "ray": _ray_version(),
        "model": model,
        "size": f"{size[0]}x{size[1]}",
        "loop": plain,
        "runs": [asdict(each) for each in runs],
        "bytes": bytes_of,
    }
    table = tabulate(content)
    record.write(output, "batch", content, table)
    return table


def _ray_version() -> str:
    import ray

    return str(ray.__version__)


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown tables of a `batch.json`."""
    host, runs = content["machine"], content["runs"]
    lines = [
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}; Ray "
        f"{content['ray']}, ONNX Runtime {host['onnxruntime']}. Pairs of {content['size']}, "
        f"`{content['model']}`, one thread a worker. A plain loop in one process, which reads, "
        f"fuses and writes one pair after the other, does {content['loop']:.0f} pairs/s.\n",
        "| Workers | Pairs | Start | Run | Pairs/s | Against one worker | CPU time of workers "
        "| ... of Ray | ... of the command | Memory of workers | ... of Ray | ... of the command |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    one = next((r["rate"] for r in runs if r["workers"] == 1), None)
    for r in runs:
        against = f"{r['rate'] / one:.2f}" if one else ""
        cells = [
            *(r["workers"], f"{r['pairs']:,}", f"{r['start']:.0f} s", f"{r['seconds']:.0f} s"),
            *(f"{r['rate']:.0f}", against),
            *(f"{r[key]:.0f} s" for key in ("worker_cpu", "ray_cpu", "driver_cpu")),
            *(f"{r[key] / 2**20:.0f} MiB" for key in ("workers_memory", "ray", "driver")),
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n\n" + _on_paper(content)


def _on_paper(content: dict[str, Any]) -> str:
    """What 1,000 nodes would read, write and hold, from what was measured here."""
    small, large = content["runs"][-2:]  # of as many workers
    more = max(1, large["pairs"] - small["pairs"])
    held = max(0.0, large["driver"] - small["driver"]) / more
    blocks = more / large["block"]
    cpu = max(0.0, large["driver_cpu"] - small["driver_cpu"]) / blocks
    block = block_size(MILLIONS * 10**6, NODES)
    row = large["manifest"] / large["pairs"]
    sizes, rate = content["bytes"], NODES * EACH
    read = sizes["visible"] + sizes["infrared"]
    lines = [
        f"On paper, {NODES:,} nodes with one worker each, and {MILLIONS} million pairs of "
        f"{FRAME[0]}x{FRAME[1]} at {EACH:.0f} pairs/s, as `ship` does in FP16 on an H100. Nothing "
        "of this was run:\n",
        "| | |",
        "|---|--:|",
        f"| Pairs a second | {rate:,.0f} |",
        f"| Read from the store | {rate * read / 1e9:.1f} GB/s, {2 * rate:,.0f} requests/s |",
        f"| Written to it | {rate * sizes['fused'] / 1e9:.1f} GB/s, {rate:,.0f} requests/s |",
        f"| Read and written by a node | {EACH * (read + sizes['fused']) / 1e6:.0f} MB/s |",
        f"| Rows of the manifest, to the command | {rate * row / 1e6:.1f} MB/s |",
        f"| Manifest, uncompressed | {MILLIONS * row / 1e3:.1f} GB |",
        f"| Held by the command, {held:,.0f} bytes a pair as measured "
        f"| {MILLIONS * held / 1e3:.1f} GB |",
        f"| Held by a worker | {large['workers_memory'] / large['workers'] / 2**20:.0f} MiB at "
        f"{content['size']}, as measured |",
        f"| Blocks of pairs, which workers are given | {block:,} pairs, {block / EACH:.0f} s |",
        f"| Processor time of the command, {cpu * 1e3:.1f} ms a block as measured, in cores "
        f"| {rate / block * cpu:.1f} |",
        "",
    ]
    return "\n".join(lines)
