"""`ship-deploy fuse`: files in, files out."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from os import PathLike
from os.path import realpath
from pathlib import Path
from typing import Any

from rich.progress import track

from ship_deploy import console
from ship_deploy.artifact import check_checkpoint
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import PERCENTILES, Frames, check_percentiles
from ship_deploy.fuser import Fuser
from ship_deploy.geometry.calibration import read_calibration
from ship_deploy.geometry.layer import Layer
from ship_deploy.geometry.shape import Crop
from ship_deploy.images import (
    FilePair,
    check_pairs,
    find_pairs,
    read_infrared,
    read_pairs,
    read_visible,
    write_png,
)
from ship_deploy.options import Options, Rule, network, only, read_options, remark, translate
from ship_deploy.report import Panel, summary, write_report

RESULTS = Path("results")  # where the authors' test writes to


def fuse_files(
    visible: Path | None,
    infrared: Path | None,
    output: Path,
    *,
    listed: Path | None = None,
    report: Path | None = None,
    calibration: Path | None = None,
    crop_infrared: str | None = None,
    model: str | PathLike[str] | None = None,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    signed_by: Path | None = None,
    percentiles: tuple[float, float] = PERCENTILES,
) -> None:
    """Fuse two images or two folders into PNG files.

    Everything that can be checked beforehand is; nothing is written if any of it fails.

    Args:
        visible: image or folder.
        infrared: its partner.
        listed: a CSV file of pairs, see `read_pairs`, in place of both.
        output: a folder, or for two images also a `.png`.
        report: an HTML page to write, or None.
        calibration: from `ship-deploy calibrate`; None if the images are aligned.
        crop_infrared: the part of each infrared image that is used, see `Crop`; None for all.
        model: see `Fuser`; so are those that follow.
        backend: the same.
        device: the same.
        threads: the same.
        signed_by: the same.
        percentiles: the same.

    Raises:
        UserError: the first step that failed, and why.
    """
    check_percentiles(percentiles)
    if listed is not None and visible is None:
        pairs = read_pairs(listed)
    elif visible is not None and infrared is not None and listed is None:
        pairs = find_pairs(visible, infrared)
    else:
        raise UserError("expected a visible and an infrared image or folder, or --pairs")
    outputs = _outputs(pairs, output)
    known = None if calibration is None else read_calibration(calibration)
    lay = Layer(known, None if crop_infrared is None else Crop(crop_infrared), percentiles)
    check_pairs(pairs, lay.align)
    reader = partial(_read, lay=lay)
    fuser = Fuser(model, backend=backend, device=device, threads=threads, signed_by=signed_by)
    for folder in {*(path.parent for path in outputs), *([report.parent] if report else [])}:
        make_folder(folder)
    seconds = []
    steps = track(list(zip(pairs, outputs, strict=True)), "Fusing", console=console.ERR)
    for pair, path in steps:
        frames = reader(pair)
        start = time.perf_counter()
        fused = fuser(*frames)
        seconds.append(time.perf_counter() - start)
        write_png(path, fused)
    pace = f"{statistics.median(seconds) * 1000:.0f} ms"
    console.ERR.print(
        f"Fused {len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} on {fuser.info.backend}, "
        f"{fuser.info.device}; median {pace} a frame."
    )
    print(output)
    if report:
        info = {**summary(fuser), "median time": f"{pace} a frame"}
        panels = _panels(pairs, outputs, reader)
        write_report(report, panels, info, "Fused pairs")
        print(report)


def fuse_options(
    path: Path, output: Path | None = None, model: str | None = None, **settings: Any
) -> None:
    """Do what an option file of SHIP's or FISCNet's authors asks for, and say what that is.

    Args:
        path: of a test.
        output: folder; None for results/NAME, as the file calls itself. Each of several data sets
            gets a folder in it.
        model: in place of the file's.
        settings: see `fuse_files`; they win over the file's.

    Raises:
        UserError: as `fuse_files`, or the file asks for what has no counterpart.
    """

    def choose(value: Any, section: Options, options: Options) -> str | dict[str, str]:
        return "not used, as --model is given" if model else {"model": str(_exported(Path(value)))}

    def device(value: Any, section: Options, options: Options) -> dict[str, str]:
        return {"device": "auto" if value else "cpu"}

    rules: dict[str, Rule] = {
        "name": remark("name of the output folder"),
        "model_type": only("FusionMaskModel"),
        "scale": only(1),
        "num_gpu": device,
        "datasets.*.type": only("PairedFusionMaskImageDataset"),
        "datasets.*.io_backend.type": only("disk"),
        "datasets.*.name": remark("a name only"),
        "datasets.*.dataroot_lq": remark("the visible images"),
        "datasets.*.dataroot_gt": remark("the infrared images"),
        "datasets.*.dataroot_mask": remark("not needed"),
        "network_g.type": network,
        "network_g.*": remark("the model's own"),
        "path.pretrain_network_g": choose,
        "path.param_key_g": remark("chosen at the export"),
        "val.save_img": only(True),
    }
    options = read_options(path)
    found = translate(path, options, rules)
    for line in found.lines:
        console.ERR.print(line)
    if not (model or "model" in found.settings):
        raise UserError(f"{path}: no path.pretrain_network_g; name a model with --model")
    sets = options.get("datasets")
    if not isinstance(sets, dict) or not sets:
        raise UserError(f"{path}: no datasets")
    output = output or RESULTS / str(options.get("name", path.stem))
    for key, data in sets.items():
        try:
            folders = Path(data["dataroot_lq"]), Path(data["dataroot_gt"])
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: datasets.{key}: no dataroot_lq and dataroot_gt") from error
        own = output / key if len(sets) > 1 else output
        fuse_files(*folders, own, **{"model": model, **found.settings, **settings})


def _exported(path: Path) -> Path:
    """The model that was exported from a checkpoint, beside it."""
    if path.suffix == ".onnx":
        return path
    exported = path.with_suffix(".onnx")
    if not exported.exists():
        raise UserError(
            f"a checkpoint; in a checkout, python -m export {path} -o {path.parent} makes "
            f"{exported} of it, which is then taken"
        )
    if path.exists():
        check_checkpoint(exported, path)
    return exported


def _outputs(pairs: list[FilePair], output: Path) -> list[Path]:
    """Where each fused image goes; never over an input."""
    if output.suffix.lower() == ".png" and not output.is_dir():
        if len(pairs) > 1:
            raise UserError(f"{output}: {len(pairs)} images cannot go into one file; give a folder")
        outputs = [output]
    elif output.suffix and not output.is_dir():
        raise UserError(f"{output}: expected a .png file or a folder")
    else:
        outputs = [output / f"{pair.name}.png" for pair in pairs]
    inputs = {realpath(p) for pair in pairs for p in (pair.visible, pair.infrared)}
    for path in outputs:
        if realpath(path) in inputs:
            raise UserError(f"{path}: would overwrite an input; give another output")
    return outputs


def _read(pair: FilePair, lay: Layer) -> tuple[Frames, Frames]:
    """Both frames as they are fused: infrared in 8 bits, aligned."""
    visible = read_visible(pair.visible)
    return visible, lay(read_infrared(pair.infrared), visible.shape[:2])


def _panels(
    pairs: list[FilePair],
    outputs: list[Path],
    read: Callable[[FilePair], tuple[Frames, Frames]],
) -> Iterator[Panel]:
    """The pictures for the report, read one pair at a time."""
    for pair, path in zip(pairs, outputs, strict=True):
        yield Panel(pair.name, *read(pair), read_visible(path))
