"""`ship-deploy fuse`: files in, files out."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.progress import track

from ship_deploy import console
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames, stretch
from ship_deploy.fuser import Fuser
from ship_deploy.geometry.calibration import Calibration, read_calibration
from ship_deploy.images import (
    PairOfFiles,
    check_pairs,
    find_pairs,
    read_infrared,
    read_visible,
    write_png,
)
from ship_deploy.report import Pair, summary, write_report


def fuse_files(
    visible: Path,
    infrared: Path,
    output: Path,
    report: Path | None,
    calibration: Path | None,
    **options: Any,
) -> None:
    """Fuse two images or two folders into PNG files.

    Everything that can be checked beforehand is; nothing is written if any of it fails.

    Args:
        visible: image or folder.
        infrared: its partner.
        output: a folder, or for two images also a `.png`.
        report: an HTML page to write, or None.
        calibration: from `ship-deploy calibrate`; None if the images are aligned.
        options: for `Fuser`; `percentiles` among them.

    Raises:
        UserError: the first step that failed, and why.
    """
    pairs = find_pairs(visible, infrared)
    outputs = _outputs(pairs, output)
    known = None if calibration is None else read_calibration(calibration)
    check_pairs(pairs, known.align if known else None)
    fuser = Fuser(**options)
    for folder in {outputs[0].parent, *([report.parent] if report else [])}:
        make_folder(folder)
    seconds = []
    steps = track(list(zip(pairs, outputs, strict=True)), "Fusing", console=console.ERR)
    for pair, path in steps:
        frames = _read(pair, known, options["percentiles"])
        start = time.perf_counter()
        fused = fuser(*frames)
        seconds.append(time.perf_counter() - start)
        write_png(path, fused)
    pace = f"{statistics.median(seconds) * 1000:.0f} ms"
    facts = fuser.info
    console.ERR.print(
        f"Fused {len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} on {facts['backend']}, "
        f"{facts['device']}; median {pace} a frame."
    )
    print(output)
    if report:
        facts = {**summary(fuser), "median time": f"{pace} a frame"}
        panels = _panels(pairs, outputs, known, options["percentiles"])
        write_report(report, panels, facts, "Fused pairs")
        print(report)


def _outputs(pairs: list[PairOfFiles], output: Path) -> list[Path]:
    """Where each fused image goes; never over an input."""
    if output.suffix.lower() == ".png" and not output.is_dir():
        if len(pairs) > 1:
            raise UserError(f"{output}: {len(pairs)} images cannot go into one file; give a folder")
        outputs = [output]
    elif output.suffix and not output.is_dir():
        raise UserError(f"{output}: fused images are written as .png; give that, or a folder")
    else:
        outputs = [output / f"{pair.name}.png" for pair in pairs]
    inputs = {p.resolve() for pair in pairs for p in (pair.visible, pair.infrared)}
    for path in outputs:
        if path.resolve() in inputs:
            raise UserError(f"{path}: would overwrite an input; give another output")
    return outputs


def _read(
    pair: PairOfFiles, calibration: Calibration | None, percentiles: tuple[float, float]
) -> tuple[Frames, Frames]:
    """Both frames as they are fused: infrared in 8 bits, aligned."""
    visible, infrared = read_visible(pair.visible), read_infrared(pair.infrared)
    infrared = stretch(infrared, percentiles)  # before the warp, whose border is no temperature
    if calibration is not None:
        height, width = visible.shape[:2]
        infrared = calibration.align(infrared, (height, width))
    return visible, infrared


def _panels(
    pairs: list[PairOfFiles],
    outputs: list[Path],
    calibration: Calibration | None,
    percentiles: tuple[float, float],
) -> Iterator[Pair]:
    """The pictures for the report, read one pair at a time."""
    for pair, path in zip(pairs, outputs, strict=True):
        yield Pair(pair.name, *_read(pair, calibration, percentiles), read_visible(path))
