"""Files of measurements: what they hold, how two are compared, and tables of many."""

import csv
import io
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from ship_deploy.bench.percentiles import interval, ratio, rounds_for
from ship_deploy.errors import UserError
from ship_deploy.processors import usable_processors

FORMAT = "ship-deploy bench 1"
LARGEST = 1e9  # of a number in a file
FUSE, STREAM = "fuse", "camera to picture"


@dataclass(frozen=True)
class Measurement:
    """One model in one setting.

    Attributes:
        what: "fuse", a call with a pair in memory; or "camera to picture".
        model: name of the file, without its suffix.
        digest: SHA-256 of the file.
        precision: of the model.
        backend: what ran it.
        device: on what.
        threads: of the CPU; None for all, or a GPU.
        size: HxW.
        warm_up: rounds before the first that counts.
        samples: seconds of each round.
        rate: results per second, of cameras; None for calls.
        watts: sensor -> mean power, of all that were measured together.
        celsius: sensor -> highest temperature.
        versions: of packages.
    """

    what: str
    model: str
    digest: str
    precision: str
    backend: str
    device: str
    threads: int | None
    size: str
    warm_up: int
    samples: Sequence[float]
    rate: float | None = None
    watts: dict[str, float] = field(default_factory=dict)
    celsius: dict[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def setting(self) -> tuple[str, str, str, str, int | None, str]:
        """What makes two measurements comparable; a model of the same name may differ."""
        return self.what, self.model, self.backend, self.device, self.threads, self.size


@dataclass(frozen=True)
class Record:
    """A file of measurements of one machine.

    Attributes:
        label: what the user calls it.
        machine: processor, cores, system, load.
        measured: when it began, UTC.
        percentiles: that were asked for.
        results: the measurements.
    """

    label: str
    machine: dict[str, str]
    measured: str
    percentiles: Sequence[float]
    results: Sequence[Measurement]

    def content(self) -> bytes:
        """The file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"


@dataclass(frozen=True)
class Change:
    """One setting in two files, at one percentile: `value` is the time after over that before."""

    setting: tuple[str, str, str, str, int | None, str]
    percentile: float
    before: float
    after: float
    value: float
    low: float
    high: float
    other_model: bool

    def verdict(self) -> str:
        """What the interval says."""
        if self.low > 1:
            return "slower"
        return "faster" if self.high < 1 else "not told apart"


def new_record(
    label: str | None, percentiles: Sequence[float], results: Sequence[Measurement]
) -> Record:
    """A record of this machine, now."""
    machine = describe_machine()
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Record(label or machine["name"], machine, when, percentiles, results)


def describe_machine() -> dict[str, str]:
    """Name, processor, cores that this process may use, system, load."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    board = Path("/proc/device-tree/model")  # of a Jetson or a Raspberry Pi
    known = board.read_text(errors="replace").strip("\0 \n") if board.exists() else ""
    return {
        "name": platform.node(),
        "processor": known or (names[0] if names else platform.processor() or platform.machine()),
        "cores": str(usable_processors()),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def read_record(path: Path) -> Record:
    """Read a file that `ship-deploy bench` wrote.

    Raises:
        UserError: it cannot be read, or is none.
    """
    try:
        told = json.loads(path.read_bytes())
        if told.pop("format") != FORMAT:
            raise ValueError
        results = [Measurement(**result) for result in told.pop("results")]
        record = Record(results=results, **told)
        if not all(_is_sound(result) for result in results) or not _is_sound(record):
            raise ValueError
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not a file of ship-deploy bench") from error
    return record


def _is_sound(told: Record | Measurement) -> bool:
    """Whether all fields, but for results, are of the types and ranges that they should have."""
    kinds = get_type_hints(type(told))
    return all(_fits(getattr(told, name), kind) for name, kind in kinds.items()) and (
        all(0 < p < 100 for p in told.percentiles)
        if isinstance(told, Record)
        else bool(told.samples) and min(told.samples) > 0
    )


def _fits(value: Any, kind: Any) -> bool:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) < LARGEST  # NaN is not
    if isinstance(kind, type) and not get_args(kind):
        return type(value) is kind or kind is Measurement
    if get_origin(kind) in (dict, Mapping):
        return isinstance(value, dict) and all(
            _fits(item, k)
            for pair in value.items()
            for item, k in zip(pair, get_args(kind), strict=False)
        )
    if get_origin(kind) is Sequence:
        return isinstance(value, list) and all(_fits(item, get_args(kind)[0]) for item in value)
    return any(_fits(value, each) for each in get_args(kind))  # a union


def compare(before: Record, after: Record) -> list[Change]:
    """All settings that are in both files, at the percentiles that both have rounds for.

    Raises:
        UserError: there are none.
    """
    known = {result.setting: result for result in before.results}
    changes = []
    for result in after.results:
        old = known.get(result.setting)
        if old is None:
            continue
        for percentile in before.percentiles:
            if percentile in after.percentiles:
                value, low, high = ratio(old.samples, result.samples, percentile)
                was, now = (float(np.percentile(r.samples, percentile)) for r in (old, result))
                changes.append(
                    Change(
                        result.setting,
                        percentile,
                        was,
                        now,
                        value,
                        low,
                        high,
                        old.digest != result.digest,
                    )
                )
    if not changes:
        raise UserError("the two files have no setting in common: model, size, threads, device")
    return changes


def heading(percentiles: Sequence[float]) -> list[str]:
    """Of a table of measurements."""
    columns = ["machine", "measured", "model", "on", "threads", "size"]
    columns += [f"p{p:g} ms (95% interval)" for p in percentiles]
    return [*columns, "frames/s", "W", "°C"]


def rows(records: Sequence[Record]) -> Iterator[list[str]]:
    """A table of measurements, as text; "-" where a file has not enough rounds."""
    percentiles = all_percentiles(records)
    for record in records:
        for result in record.results:
            median = float(np.median(result.samples))
            yield [
                record.label,
                result.what,
                f"{result.model} {result.precision}",
                f"{result.backend} {result.device}",
                "-" if result.threads is None else str(result.threads),
                result.size,
                *(_cell(result.samples, percentile) for percentile in percentiles),
                f"{result.rate or 1 / median:.1f}",
                _hottest(result.watts),
                _hottest(result.celsius),
            ]


def all_percentiles(records: Sequence[Record]) -> list[float]:
    """What any file asked for."""
    return sorted({percentile for record in records for percentile in record.percentiles})


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table."""
    texts = [heads, ["---"] * len(heads), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in t)} |\n" for t in texts)


def as_csv(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """The same, for spreadsheets."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heads, *lines])
    return text.getvalue()


def milliseconds(seconds: float) -> str:
    """Three digits."""
    return f"{1000 * seconds:#.3g}".rstrip(".") if seconds < 1 else f"{1000 * seconds:.0f}"


def _cell(samples: Sequence[float], percentile: float) -> str:
    if len(samples) < rounds_for(percentile):
        return "-"
    low, high = interval(samples, percentile)
    value = float(np.percentile(samples, percentile))
    return f"{milliseconds(value)} ({milliseconds(low)} to {milliseconds(high)})"


def _hottest(found: dict[str, Any]) -> str:
    """The largest of several sensors: rails and zones are parts of others."""
    return f"{max(found.values()):.0f}" if found else "-"
