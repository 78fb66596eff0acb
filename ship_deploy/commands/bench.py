"""`ship-deploy bench`: how long a frame takes here, and whether that has changed."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal

from rich import box
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from ship_deploy import console
from ship_deploy.bench import records
from ship_deploy.bench.measure import camera_to_picture, take_turns
from ship_deploy.bench.percentiles import check_rounds
from ship_deploy.bench.records import FUSE, STREAM, Measurement
from ship_deploy.bench.scene import draw
from ship_deploy.bench.sensors import Readings, Sensors
from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from ship_deploy.fuser import Fuser

Style = Literal["terminal", "markdown", "csv"]


def measure(
    models: Sequence[str],
    *,
    sizes: Sequence[str],
    threads: Sequence[int],
    backend: str,
    device: str,
    warm_up: int,
    rounds: int,
    percentiles: Sequence[float],
    camera: float | None,
    label: str | None,
    output: Path | None,
) -> None:
    """Time all models in all settings, print a table, and write a file.

    Args:
        models: see `Fuser`; the default if there are none.
        sizes: HxW.
        threads: of the CPU; all that it may use if there are none.
        backend: see `Fuser`.
        device: the same.
        warm_up: calls before the first that counts.
        rounds: calls that count.
        percentiles: to print.
        camera: rate of two drawn cameras, of which the time to the picture is measured too; None
            for calls alone.
        label: of the file; the machine's name if None.
        output: the file, or None.

    Raises:
        UserError: a model cannot run here, or a percentile needs more rounds.
    """
    check_rounds(percentiles, rounds)
    shapes = {size: parse_size(size) for size in sizes}
    # The settings first: what cannot run is said before anything is measured.
    fusers = {
        (model, count): Fuser(model, backend=backend, device=device, threads=count)
        for model in models or (None,)
        for count in threads or (None,)
    }
    results: list[Measurement] = []
    per_size = rounds * (1 + len(fusers) * (camera is not None))
    with Progress(console=console.ERR, transient=True) as progress:
        for size, shape in shapes.items():
            task = progress.add_task(f"{size}: warming up", total=per_size)
            pair = draw(*shape)
            times: dict[tuple[str | None, int | None], list[float]] = {key: [] for key in fusers}
            with Sensors() as sensors:
                for found in take_turns(fusers, pair, warm_up, rounds):
                    progress.update(task, description=f"{size}: {FUSE}", advance=1)
                    for key, seconds in found.items():
                        times[key].append(seconds)
            results += [
                _entry(FUSE, fusers[key], size, warm_up, times[key], None, sensors.readings)
                for key in fusers
            ]
            for fuser in fusers.values() if camera is not None else ():
                progress.update(task, description=f"{size}: {STREAM}")
                with Sensors() as sensors:
                    latencies, rate = camera_to_picture(
                        fuser, pair, camera or 0.0, warm_up, rounds, partial(progress.advance, task)
                    )
                results.append(
                    _entry(STREAM, fuser, size, warm_up, latencies, rate, sensors.readings)
                )
    record = records.new_record(label, percentiles, results)
    if output is not None:
        write_atomically(output, record.content())
    _print([record], "terminal")
    if output is not None:
        print(output)


def show(paths: Sequence[Path], style: Style) -> None:
    """Print one table of many files.

    Raises:
        UserError: one is no file of measurements.
    """
    _print([records.read_record(path) for path in paths], style)


def compare(before: Path, after: Path, limit: str | None) -> None:
    """Print what has changed between two files.

    Args:
        before: a file.
        after: another one.
        limit: "10%": fail if a setting is surely slower by more than that; None for never.

    Raises:
        UserError: the files have nothing in common; or it is slower.
    """
    allowed = None if limit is None else parse_percentage(limit)
    changes = records.compare(records.read_record(before), records.read_record(after))
    table = Table("setting", "", "before", "after", "change", "95% interval", "", box=box.SIMPLE)
    for change in changes:
        what, model, backend, device, threads, size = change.setting
        times = [f"{records.milliseconds(t)} ms" for t in (change.before, change.after)]
        other = " (another file)" if change.other_model else ""
        table.add_row(
            escape(f"{model}{other}, {_setting(what, size, threads, backend, device)}"),
            *(f"p{change.percentile:g}", *times, f"{change.value - 1:+.1%}"),
            *(f"{change.low - 1:+.1%} to {change.high - 1:+.1%}", change.verdict()),
        )
    console.OUT.print(table)
    slower = [c for c in changes if allowed is not None and c.low > 1 + allowed]
    if slower:
        raise UserError(f"{len(slower)} of {len(changes)} slower by more than {limit}")


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "480x640".

    Raises:
        UserError: it is none, or smaller than 16x16.
    """
    parsed = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text, re.ASCII)
    if parsed is None or min(int(parsed[1]), int(parsed[2])) < 16:
        raise UserError(f"--size is {text!r}, expected HxW of 16x16 or more, such as 480x640")
    return int(parsed[1]), int(parsed[2])


def parse_percentage(text: str) -> float:
    """0.1 of "10%".

    Raises:
        UserError: it is none.
    """
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)%", text, re.ASCII)
    if parsed is None:
        raise UserError(f"--fail-if-slower is {text!r}, expected a percentage such as 10%")
    return float(parsed[1]) / 100


def _entry(
    what: str,
    fuser: Fuser,
    size: str,
    warm_up: int,
    samples: Sequence[float],
    rate: float | None,
    readings: Readings,
) -> Measurement:
    info = fuser.info
    return Measurement(
        what=what,
        model=Path(info.model).stem,
        digest=info.digest,
        precision=info.precision,
        backend=info.backend,
        device=info.device,
        threads=info.threads,
        size=size,
        warm_up=warm_up,
        samples=[round(seconds, 7) for seconds in samples],
        rate=rate,
        versions=info.versions,
        **asdict(readings),
    )


def _print(found: Sequence[records.Record], style: Style) -> None:
    heads, lines = records.heading(records.all_percentiles(found)), list(records.rows(found))
    if style == "markdown":
        print(records.markdown(heads, lines), end="")
    elif style == "csv":
        print(records.as_csv(heads, lines), end="")
    else:
        shown = [heads[0], "model", "setting", *(head.partition(" (")[0] for head in heads[6:])]
        table = Table(*shown, box=box.SIMPLE)
        table.columns[2].overflow = "fold"
        for machine, what, model, on, threads, size, *figures in lines:
            setting = _setting(what, size, None if threads == "-" else int(threads), on)
            table.add_row(*map(escape, (machine, model, setting, *figures)))
        console.OUT.print(table)


def _setting(what: str, size: str, threads: int | None, *on: str) -> str:
    counted = [] if threads is None else [f"{threads} thread{'s' * (threads != 1)}"]
    return ", ".join([what, size, *counted, " ".join(on)])
