"""Two cameras that fail in every way there is: how soon that is noticed, and is over."""

import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from benchmarks.streaming.cameras import resident
from benchmarks.streaming.scripted import FAULTS, ScriptedCamera
from benchmarks.streaming.soak import MOST_GROWTH
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import stretch
from ship_deploy.results import Frame
from ship_deploy.streams import Pipeline

DEADLINES = 0.2, 0.06  # seconds to open, and to the next frame: 1/25 of the usual, to see many
BACK_OFF = 0.002, 0.02  # seconds
CALM = 50  # fused results after the last fault
SAMPLE = 20  # results between two looks at the memory


@dataclass(frozen=True)
class Run:
    """Faults of two cameras, one after the other in each.

    Attributes:
        seed: of which faults, when.
        faults: kind -> how many there were.
        results: that came out.
        fused: of them.
        silence: seconds, the longest between two results.
        noticed: faults after which the other camera was shown alone, the fault being the reason.
            The rest was over before, or did not stop the camera.
        notice_p50: seconds from such a fault to the first picture alone.
        notice_p99: the same, 99th percentile.
        recovery_p50: seconds from a fault to the next fused picture; where the fault was noticed,
            to the next one after that.
        recovery_p99: the same, 99th percentile.
        recovery_max: the longest.
        unaccounted: frames that came in and were neither fused nor dropped for a reason.
        resident: bytes in memory during each tenth of the run, the median.
        growth: bytes that any tenth has beyond the first.
        seconds: the run.
    """

    seed: int
    faults: dict[str, int]
    results: int
    fused: int
    silence: float
    noticed: int
    notice_p50: float
    notice_p99: float
    recovery_p50: float
    recovery_p99: float
    recovery_max: float
    unaccounted: int
    resident: list[int]
    growth: int
    seconds: float


def measure(seed: int, count: int) -> Run:
    """Let two cameras have `count` faults in all, then fuse a while."""
    random = Random(seed)
    scripts = [random.choices(FAULTS, k=count // 2) for _ in range(2)]
    visible = ScriptedCamera("visible", (32, 40, 3), scripts[0], seed=seed)
    infrared = ScriptedCamera("infrared", (24, 32), scripts[1], seed=seed + 1)
    shown: list[tuple[float, str]] = []  # when, and why not fused
    samples: list[int] = []
    calm = 0
    start = monotonic()
    pipeline = Pipeline(
        visible, infrared, _average, prepare=_scaled, deadlines=DEADLINES, back_off=BACK_OFF
    )
    with pipeline:
        for result in pipeline:
            shown.append((monotonic(), result.reason))
            if len(shown) % SAMPLE == 0:
                samples.append(resident())
            calm += result.fused and not (visible.script or infrared.script)
            if calm == CALM:
                break
        for camera in (visible, infrared):
            camera.released.set()
    statistics = pipeline.statistics()
    sides = statistics.visible, statistics.infrared
    settled = sum(side.fused + sum(side.dropped.values()) for side in sides)
    moments = [start, *(moment for moment, _ in shown)]
    tenths = [round(float(np.median(tenth))) for tenth in np.array_split(samples, 10)]
    notices, recoveries = _times([visible, infrared], shown)
    return Run(
        seed=seed,
        faults=dict(sorted((Counter(visible.happened) + infrared.happened).items())),
        results=len(shown),
        fused=statistics.fused,
        silence=float(np.diff(moments).max()),
        noticed=len(notices),
        notice_p50=float(np.quantile(notices, 0.5)),
        notice_p99=float(np.quantile(notices, 0.99)),
        recovery_p50=float(np.quantile(recoveries, 0.5)),
        recovery_p99=float(np.quantile(recoveries, 0.99)),
        recovery_max=max(recoveries),
        unaccounted=sum(side.received for side in sides) - settled,
        resident=tenths,
        growth=max(tenths) - tenths[0],
        seconds=moments[-1] - start,
    )


def _times(
    cameras: Sequence[ScriptedCamera], shown: list[tuple[float, str]]
) -> tuple[list[float], list[float]]:
    """Seconds until each fault was noticed, of those that were, and until it was over, of all."""
    fused = [moment for moment, reason in shown if not reason]
    notices, recoveries = [], []
    for camera in cameras:
        down = [moment for moment, reason in shown if reason == f"{camera.name} down"]
        ends = [moment for moment, _ in camera.log[1:]] + [float("inf")]
        for (fault, _), end in zip(camera.log, ends, strict=True):
            since = fault
            found = bisect.bisect(down, fault)
            if found < len(down) and down[found] < end:
                since = down[found]
                notices.append(since - fault)
            recoveries.append(fused[bisect.bisect(fused, since)] - fault)
    return notices, recoveries


def run(output: Path, seeds: Sequence[int], count: int) -> str:
    """Measure each seed; write `faults.json` and `faults.md`.

    Returns:
        The Markdown table.

    Raises:
        UserError: memory grew, or a frame is unaccounted for; the files are written first.
    """
    make_folder(output)
    runs = [measure(seed, count) for seed in seeds]
    content = {"machine": machine.describe(), "faults": [asdict(each) for each in runs]}
    table = tabulate(content)
    record.write(output, "faults", content, table)
    for each in runs:
        check(each)
    return table


def check(result: Run) -> None:
    """Raise a UserError if a run did not go as it should."""
    if result.unaccounted:
        raise UserError(f"seed {result.seed}: {result.unaccounted} frames are unaccounted for")
    if result.growth > MOST_GROWTH:
        raise UserError(f"seed {result.seed}: memory grew by {result.growth / 1e6:.1f} MB")


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `faults.json`."""
    host = content["machine"]
    lines = [
        f"{host['processor']}, {host['cores']} cores, load {host['load'][0]}; "
        f"{host['measured'][:10]}. Two live cameras of 200 Hz with faults of {len(FAULTS)} kinds, "
        f"one after the other in each. A camera counts as lost after {DEADLINES[1] * 1000:.0f} ms, "
        "not 1.5 s, to see many faults in little time. Noticed: the other camera is shown "
        "alone; most other faults do not stop a camera. Times in ms, p50 / p99.\n",
        "| seed | faults | results | fused | noticed | until noticed | until fused again "
        "| longest silence | unaccounted | memory | growth |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in content["faults"]:
        notice = f"{r['notice_p50'] * 1000:.0f} / {r['notice_p99'] * 1000:.0f}"
        recovery = f"{r['recovery_p50'] * 1000:.0f} / {r['recovery_p99'] * 1000:.0f}"
        lines.append(
            f"| {r['seed']} | {sum(r['faults'].values())} | {r['results']} | {r['fused']} "
            f"| {r['noticed']} | {notice} | {recovery} | {r['silence'] * 1000:.0f} "
            f"| {r['unaccounted']} | {r['resident'][0] / 1e6:.0f} MB | {r['growth'] / 1e6:.1f} MB |"
        )
    return "\n".join(lines) + "\n"


def _average(visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return visible // 2 + infrared[..., None] // 2


def _scaled(infrared: Frame, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """To any proportions, which the faults change."""
    grey = stretch(infrared.image, (0, 100))
    return np.asarray(cv2.resize(grey, (size or infrared.image.shape)[::-1]), np.uint8)
