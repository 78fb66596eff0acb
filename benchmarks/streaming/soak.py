"""A pipeline that runs for long: whether it keeps its memory and its accounts."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from benchmarks.streaming.cameras import DrawnCamera, resident
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.streams import Pipeline

MOST_GROWTH = 10e6  # bytes after the warm-up
SAMPLE = 20  # results between two looks at the memory
RATE = 400.0  # frames per second of the cameras
CUT = 500  # frames after which a connection breaks


@dataclass(frozen=True)
class Soak:
    """Two live cameras whose connections break now and then, and a stand-in for the network.

    Attributes:
        size: height x width of the visible frames; infrared ones have half of that.
        results: that came out.
        fused: of them.
        received: frames that came in, both sides.
        reconnections: of both cameras.
        unaccounted: frames that came in and were neither fused nor dropped for a reason.
        resident: bytes in memory during each tenth of the run, the median; it swings by what the
            queues hold.
        growth: bytes that any tenth has beyond the first, which is the warm-up.
        peak: the most bytes that were seen.
        seconds: the run.
    """

    size: str
    results: int
    fused: int
    received: int
    reconnections: int
    unaccounted: int
    resident: list[int]
    growth: int
    peak: int
    seconds: float


def soak(frames: int, height: int, width: int, leak: int = 0) -> Soak:
    """Run until `frames` results came out.

    Args:
        frames: results.
        height: of the visible frames.
        width: of the visible frames.
        leak: bytes to lose with every result, to see that it is seen.
    """
    lost: list[bytes] = []
    visible = DrawnCamera("visible", (height, width, 3), rate=RATE, cut=CUT)
    infrared = DrawnCamera("infrared", (height // 2, width // 2), rate=RATE, cut=CUT + 1)
    samples: list[int] = []
    with Pipeline(visible, infrared, _average, back_off=(0.001, 0.01)) as pipeline:
        for number, _ in enumerate(pipeline, 1):
            if leak:
                lost.append(bytes(leak))
            if number % SAMPLE == 0:
                samples.append(resident())
            if number == frames:
                break
    tenths = [round(float(np.median(tenth))) for tenth in np.array_split(samples, 10)]
    statistics = pipeline.statistics()
    sides = statistics.visible, statistics.infrared
    settled = sum(side.fused + sum(side.dropped.values()) for side in sides)
    received = sum(side.received for side in sides)
    return Soak(
        size=f"{height}x{width}",
        results=statistics.fused + statistics.alone,
        fused=statistics.fused,
        received=received,
        reconnections=sum(side.reconnections for side in sides),
        unaccounted=received - settled,
        resident=tenths,
        growth=max(tenths) - tenths[0],
        peak=max(samples),
        seconds=statistics.uptime,
    )


def run(output: Path, frames: int, height: int, width: int) -> str:
    """Soak; write `soak.json` and `soak.md`.

    Returns:
        The Markdown table.

    Raises:
        UserError: memory grew, or a frame is unaccounted for; the files are written first.
    """
    make_folder(output)
    result = soak(frames, height, width)
    content = {"machine": machine.describe(), "soak": asdict(result)}
    table = tabulate(content)
    record.write(output, "soak", content, table)
    check(result)
    return table


def check(result: Soak) -> None:
    """Raise a UserError if a soak did not go as it should."""
    if result.growth > MOST_GROWTH:
        raise UserError(
            f"memory grew by {result.growth / 1e6:.1f} MB, the limit is {MOST_GROWTH / 1e6:.0f} MB"
        )
    if result.unaccounted:
        raise UserError(f"{result.unaccounted} frames are unaccounted for")


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `soak.json`."""
    host, r = content["machine"], content["soak"]
    return (
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}. Two live cameras "
        f"of {RATE:.0f} Hz whose connections break every {CUT} frames, and a stand-in for the "
        "network.\n\n"
        "| size | results | fused | frames in | unaccounted | reconnections | memory | peak "
        "| growth |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
        f"| {r['size']} | {r['results']} | {r['fused']} | {r['received']} | {r['unaccounted']} "
        f"| {r['reconnections']} | {r['resident'][0] / 1e6:.0f} MB "
        f"| {r['peak'] / 1e6:.0f} MB | {r['growth'] / 1e6:.1f} MB |\n"
    )


def _average(visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return visible // 2 + infrared[..., None] // 2
