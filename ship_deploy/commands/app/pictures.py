"""Commands for pictures that are there already: images, recordings and archives."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ship_deploy.commands.app.options import (
    Backend,
    CalibrationFile,
    CropInfrared,
    Device,
    MaxPixels,
    Model,
    Percentiles,
    SignedBy,
    Threads,
    limit_pixels,
)
from ship_deploy.frames import PERCENTILES


def fuse(
    visible: Annotated[
        Path | None,
        typer.Argument(help="Image or folder of images, grey or colour; or a recording (bag)."),
    ] = None,
    infrared: Annotated[
        Path | None,
        typer.Argument(help="The same, 8 or 16 bits; folders are paired by file name."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="File of pairs, with the columns visible and infrared, in place of two folders.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder to write to, or a .png file for one pair, or .mcap for a recording.",
        ),
    ] = None,
    visible_topic: Annotated[
        str | None,
        typer.Option("--visible", metavar="TOPIC", help="Topic of a recording's visible images."),
    ] = None,
    infrared_topic: Annotated[
        str | None,
        typer.Option("--infrared", metavar="TOPIC", help="Topic of its infrared images."),
    ] = None,
    topic: Annotated[
        str | None,
        typer.Option(help="Topic of the fused images in it (default: /fused/image)."),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="Video of a recording's fused images to write too.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder to write a recording's fused images to, too.")
    ] = None,
    opt: Annotated[
        Path | None,
        typer.Option(
            metavar="OPTIONS.yml",
            help="Option file of a test by SHIP's or FISCNet's authors, in place of images.",
        ),
    ] = None,
    model: Model = None,
    backend: Backend = "auto",
    device: Device = "auto",
    threads: Threads = None,
    signed_by: SignedBy = None,
    percentiles: Percentiles = PERCENTILES,
    report: Annotated[
        Path | None,
        typer.Option(help="HTML page to write, which compares the fused images with the sources."),
    ] = None,
    calibration: CalibrationFile = None,
    crop_infrared: CropInfrared = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Fuse two images, two folders of images with the same names, or two topics of a recording.

    Recordings are MCAP files, folders of rosbag2 and bags of ROS 1. All their topics are kept. A
    run that was interrupted continues where it was.
    """
    from ship_deploy.commands.fuse import fuse_files, fuse_options
    from ship_deploy.commands.fuse_bag import fuse_bag

    limit_pixels(max_pixels)
    settings: dict[str, Any] = {
        "report": report,
        "calibration": calibration,
        "crop_infrared": crop_infrared,
        "backend": backend,
        "threads": threads,
        "signed_by": signed_by,
        "percentiles": percentiles,
    }
    of_bag: dict[str, Any] = {"topic": topic, "video": video, "images": images}
    if visible_topic or infrared_topic:
        if not (visible and visible_topic and infrared_topic and output):
            raise typer.BadParameter("a recording needs --visible, --infrared and --output")
        if infrared or pairs or opt or report:
            raise typer.BadParameter("a recording goes with no other images, and no report")
        del settings["report"]
        of_bag = {name: value for name, value in of_bag.items() if value is not None}
        settings |= {"model": model, "device": device}
        fuse_bag(visible, visible_topic, infrared_topic, output, **of_bag, **settings)
    elif any(of_bag.values()):
        raise typer.BadParameter("--topic, --video and --images are for recordings")
    elif opt is not None:
        if visible or pairs:
            raise typer.BadParameter("--opt names the images itself")
        if device != "auto":
            settings["device"] = device
        fuse_options(opt, output, model, **settings)
    elif output is None:
        raise typer.BadParameter("missing option --output / -o")
    else:
        fuse_files(visible, infrared, output, listed=pairs, model=model, device=device, **settings)


def batch(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of visible images, or folder with visible and infrared in it; list (CSV, "
            "Parquet) with the columns visible and infrared, or bag, and perhaps name; with "
            "--visible, a recording or a folder of them. Or the address of one, such as s3://."
        ),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="Folder to write to, or the address of one."),
    ],
    infrared: Annotated[
        str | None,
        typer.Argument(help="Folder of infrared images, which are paired by file name."),
    ] = None,
    visible_topic: Annotated[
        str | None,
        typer.Option("--visible", metavar="TOPIC", help="Topic of recordings' visible images."),
    ] = None,
    infrared_topic: Annotated[
        str | None,
        typer.Option("--infrared", metavar="TOPIC", help="Topic of their infrared images."),
    ] = None,
    topic: Annotated[str, typer.Option(help="Topic of their fused images.")] = "/fused/image",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Head of a Ray cluster, or auto on one of its machines (default: this machine).",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Processes that fuse (default: one for each core, or each GPU).",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="CPU threads of each of them (default: 1)."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with an earlier run: skip what is done, by the digests of inputs, output "
            "and model.",
        ),
    ] = False,
    model: Model = None,
    backend: Backend = "auto",
    device: Annotated[
        str, typer.Option(help="Device to run on: auto, cpu or cuda (auto: GPUs, if Ray has any).")
    ] = "auto",
    signed_by: SignedBy = None,
    percentiles: Percentiles = PERCENTILES,
    calibration: CalibrationFile = None,
    crop_infrared: CropInfrared = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Fuse an archive on many cores, or on the machines of a Ray cluster.

    A manifest in the target, manifest.parquet, has a row for every pair: digests of inputs, output
    and model, the time it took, and what was wrong with it. Pairs that cannot be fused stop
    nothing; the exit code is then 1.
    """
    from ship_deploy.commands.batch import fuse_archive

    limit_pixels(max_pixels)
    if (visible_topic is None) != (infrared_topic is None):
        raise typer.BadParameter("recordings need both --visible and --infrared")
    topics = (visible_topic, infrared_topic, topic) if visible_topic and infrared_topic else None
    if topics and infrared:
        raise typer.BadParameter("recordings go with no other images")
    fuse_archive(
        source,
        infrared,
        output,
        topics=topics,
        address=address,
        workers=workers,
        threads=threads,
        resume=resume,
        calibration=calibration,
        crop_infrared=crop_infrared,
        model=model,
        backend=backend,
        device=device,
        signed_by=signed_by,
        percentiles=percentiles,
    )
