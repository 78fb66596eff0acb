"""What the pipeline costs around a network: time a frame, frames a second."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from benchmarks.streaming.cameras import DrawnCamera
from ship_deploy.files import make_folder
from ship_deploy.streams import Pipeline

RATE = 30.0  # frames per second of the cameras that overhead is measured with
WARM_UP = 30  # results that are not counted


@dataclass(frozen=True)
class Overhead:
    """The pipeline around a stand-in for the network, which gives the visible frame back.

    Attributes:
        size: height x width of both frames, 8 bits.
        frames: counted results.
        p50: seconds from the arrival of the pair's later frame to the result.
        p99: the same, 99th percentile.
        dropped: visible frames that were not fused, of two cameras at 30 Hz.
        rate: fused frames per second, of sources that never keep it waiting.
    """

    size: str
    frames: int
    p50: float
    p99: float
    dropped: int
    rate: float


def measure(height: int, width: int, frames: int) -> Overhead:
    """Time two live cameras at 30 Hz, then two sources as fast as they can be read."""
    shapes = {"visible": (height, width, 3), "infrared": (height, width)}
    visible, infrared = (DrawnCamera(name, shape, rate=RATE) for name, shape in shapes.items())
    seconds: list[float] = []
    with Pipeline(visible, infrared, _give_back) as pipeline:
        for result in pipeline:
            if result.visible and result.infrared:
                seconds.append(result.done - max(result.visible.time, result.infrared.time))
            if len(seconds) == WARM_UP + frames:
                break
    lost = pipeline.statistics().visible.dropped
    visible, infrared = (
        DrawnCamera(name, shape, count=frames, live=False) for name, shape in shapes.items()
    )
    start = time.perf_counter()
    with Pipeline(visible, infrared, _give_back) as pipeline:
        fused = sum(result.fused for result in pipeline)
    p50, p99 = np.percentile(seconds[WARM_UP:], (50, 99))
    return Overhead(
        size=f"{height}x{width}",
        frames=frames,
        p50=float(p50),
        p99=float(p99),
        dropped=sum(count for reason, count in lost.items() if reason != "stopped"),
        rate=fused / (time.perf_counter() - start),
    )


def run(output: Path, sizes: list[tuple[int, int]], frames: int) -> str:
    """Measure each size; write `stream.json` and `stream.md`.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    results = [measure(height, width, frames) for height, width in sizes]
    content = {"machine": machine.describe(), "stream": [asdict(result) for result in results]}
    table = tabulate(content)
    record.write(output, "stream", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `stream.json`."""
    facts = content["machine"]
    lines = [
        f"{facts['processor']}, {facts['cores']} cores; {facts['measured'][:10]}. The pipeline "
        "around a stand-in that costs nothing, 8-bit frames of one size. Overhead: from the "
        f"arrival of a pair's later frame to the result, two live cameras at {RATE:.0f} Hz. Rate: "
        "two sources that are never waited for.",
        "",
        "| size | frames | overhead, median | 99% below | dropped | sustained rate |",
        "|---|---|---|---|---|---|",
    ]
    for r in content["stream"]:
        lines.append(
            f"| {r['size']} | {r['frames']} | {r['p50'] * 1000:.2f} ms | {r['p99'] * 1000:.2f} ms "
            f"| {r['dropped']} | {r['rate']:.0f} frames/s |"
        )
    return "\n".join(lines) + "\n"


def _give_back(visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return visible
