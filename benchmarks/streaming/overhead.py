"""Two live cameras through the pipeline: from capture to result, with a model and with none."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from benchmarks.streaming.cameras import DrawnCamera
from ship_deploy import Fuser
from ship_deploy.files import make_folder
from ship_deploy.streams import Pipeline

RATE = 30.0  # frames per second of the cameras that overhead is measured with
WARM_UP = 30  # results that are not counted
LONGEST = 30.0  # seconds that one model at one size is measured
NOTHING = "nothing"  # in place of a model: gives the visible frame back


@dataclass(frozen=True)
class Overhead:
    """The pipeline around a model.

    Attributes:
        model: a bundled one's name, or `NOTHING`.
        size: height x width of both frames, 8 bits.
        frames: counted results.
        p50: seconds from the arrival of the pair's later frame to the result.
        p99: the same, 99th percentile.
        dropped: visible frames that were not fused, of two cameras at 30 Hz.
        rate: fused frames per second, of sources that never keep it waiting.
    """

    model: str
    size: str
    frames: int
    p50: float
    p99: float
    dropped: int
    rate: float


def measure(model: str, height: int, width: int, frames: int) -> Overhead:
    """Time two live cameras at 30 Hz, then two sources as fast as they can be fused."""
    fuse = _give_back if model == NOTHING else Fuser(model, device="cpu")
    shapes = {"visible": (height, width, 3), "infrared": (height, width)}
    visible, infrared = (DrawnCamera(name, shape, rate=RATE) for name, shape in shapes.items())
    seconds: list[float] = []
    start = time.perf_counter()
    with Pipeline(visible, infrared, fuse) as pipeline:
        for result in pipeline:
            if result.visible and result.infrared:
                seconds.append(result.done - max(result.visible.time, result.infrared.time))
            late = len(seconds) > 2 * WARM_UP and time.perf_counter() - start > LONGEST
            if len(seconds) == WARM_UP + frames or late:
                break
    lost = pipeline.statistics().visible.dropped
    counted = len(seconds) - WARM_UP
    visible, infrared = (
        DrawnCamera(name, shape, count=counted, live=False) for name, shape in shapes.items()
    )
    start = time.perf_counter()
    with Pipeline(visible, infrared, fuse) as pipeline:
        fused = sum(result.fused for result in pipeline)
    p50, p99 = np.percentile(seconds[WARM_UP:], (50, 99))
    return Overhead(
        model=model,
        size=f"{height}x{width}",
        frames=counted,
        p50=float(p50),
        p99=float(p99),
        dropped=sum(count for reason, count in lost.items() if reason != "stopped"),
        rate=fused / (time.perf_counter() - start),
    )


def run(output: Path, sizes: Sequence[tuple[int, int]], frames: int, models: Sequence[str]) -> str:
    """Measure each size with each model; write `stream.json` and `stream.md`.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    results = [measure(model, *size, frames) for size in sizes for model in models]
    content = {"machine": machine.describe(), "stream": [asdict(result) for result in results]}
    table = tabulate(content)
    record.write(output, "stream", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `stream.json`."""
    host = content["machine"]
    lines = [
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}. The pipeline "
        "around a model, 8-bit frames of one size; with nothing in place of a model, it is what "
        "the pipeline adds. From the arrival of a pair's later frame to the result, two live "
        f"cameras at {RATE:.0f} Hz. Rate: two sources that are never waited for.",
        "",
        "| size | model | frames | median | 99% below | dropped | sustained rate |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for r in content["stream"]:
        median, most = (f"{1000 * r[name]:.2f} ms" for name in ("p50", "p99"))
        cells = [r["size"], r["model"], r["frames"], median, most, r["dropped"]]
        lines.append(f"| {' | '.join(map(str, cells))} | {r['rate']:,.0f} frames/s |")
    return "\n".join(lines) + "\n"


def _give_back(visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return visible
