"""The `ship-deploy` command: what its commands take. What they do is in a file for each."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ship_deploy import console
from ship_deploy.artifact import VERSION
from ship_deploy.backends import NAMES

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=console.EPILOG,
)

Model = Annotated[
    Path | None, typer.Option(help="model.onnx or engine; if not given, the bundled one")
]
Threads = Annotated[int | None, typer.Option(help="of the CPU; all cores if not given")]
Backend = Annotated[str, typer.Option(help=f"auto, or one of: {', '.join(NAMES)}")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]


class PairBy(str, Enum):
    """How frames of two files find each other."""

    TIME = "time"
    INDEX = "index"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def ship_deploy(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print it")
    ] = False,
) -> None:
    """Fuse infrared and visible images with SHIP."""


@app.command()
def fuse(
    visible: Annotated[Path, typer.Argument(help="image, or a folder of them (grey or colour)")],
    infrared: Annotated[Path, typer.Argument(help="image or folder, 8 or 16 bits")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder, or a .png file")],
    model: Model = None,
    backend: Backend = "auto",
    device: Device = "auto",
    threads: Threads = None,
    percentiles: Annotated[
        tuple[float, float],
        typer.Option(help="of 16-bit or float infrared: these become black and white"),
    ] = (0.5, 99.5),
    report: Annotated[
        Path | None, typer.Option(help="write a page to compare the pictures on, page.html")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="of infrared images that are not aligned, see calibrate"),
    ] = None,
) -> None:
    """Fuse two images, or two folders whose images have the same names."""
    from ship_deploy.commands.fuse import fuse_files

    fuse_files(
        visible,
        infrared,
        output,
        report,
        calibration,
        model=model,
        backend=backend,
        device=device,
        threads=threads,
        percentiles=percentiles,
    )


@app.command()
def stream(
    visible: Annotated[
        str,
        typer.Argument(help="camera index, rtsp:// or http:// address, video, or folder of images"),
    ],
    infrared: Annotated[str, typer.Argument(help="the same, 8 or 16 bits")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="video (.mp4, .mkv, .mov, .avi), or folder of images"),
    ] = None,
    pair_by: Annotated[PairBy, typer.Option(help="index is for files")] = PairBy.TIME,
    offset: Annotated[
        float, typer.Option(help="seconds that the infrared camera's frames come late")
    ] = 0.0,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1, help="frames a second of what is written or pushed; the visible file's, or 25"
        ),
    ] = None,
    model: Model = None,
    backend: Backend = "auto",
    device: Device = "auto",
    threads: Threads = None,
    percentiles: Annotated[
        tuple[float, float],
        typer.Option(help="of 16-bit infrared: these become black and white"),
    ] = (0.5, 99.5),
    smoothing: Annotated[
        float, typer.Option(help="seconds in which those levels follow the scene; 0: at once")
    ] = 2.0,
    clahe: Annotated[
        float | None,
        typer.Option(help="clip limit of local contrast, such as 2; off if not given"),
    ] = None,
    black_hot: Annotated[
        bool, typer.Option("--black-hot", help="the infrared camera shows warm things dark")
    ] = False,
    dead_pixels: Annotated[
        Path | None, typer.Option(help="image of the infrared sensor: what is not black is dead")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="of cameras that are not aligned, see calibrate")
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="send it to a media server, rtsp://HOST:8554/NAME, also rtmp, srt, udp, http",
        ),
    ] = None,
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="show it live on a page there, 127.0.0.1:8080; a port alone is for this machine",
        ),
    ] = None,
) -> None:
    """Fuse two live cameras until interrupted, or two videos.

    Frames are paired by time; where fusing is slow, frames of cameras are dropped, so it never
    lags. A camera that fails is opened again, and the other one is shown alone meanwhile.
    """
    from ship_deploy.commands.stream import stream

    stream(
        visible,
        infrared,
        output,
        pair_by=pair_by.value,
        offset=offset,
        rate=rate,
        calibration=calibration,
        dead_pixels=dead_pixels,
        levels={
            "percentiles": percentiles,
            "smoothing": smoothing,
            "clahe": clahe,
            "black_hot": black_hot,
        },
        push=push,
        serve=serve,
        model=model,
        backend=backend,
        device=device,
        threads=threads,
    )


@app.command()
def build(
    model: Annotated[Path, typer.Argument(help="model.onnx")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the engine, ship.engine")],
    flavour: Annotated[
        str | None, typer.Option(help="tensorrt or tensorrt-rtx; if not given, what is installed")
    ] = None,
    low: Annotated[
        str | None, typer.Option("--min", metavar="HxW", help="smallest frame; 16x16 if not given")
    ] = None,
    usual: Annotated[
        str | None,
        typer.Option("--opt", metavar="HxW", help="frame to tune for; 480x640 if not given"),
    ] = None,
    high: Annotated[
        str | None,
        typer.Option("--max", metavar="HxW", help="largest frame; 1080x1920 if not given"),
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="most frames in a call")] = 1,
    workspace: Annotated[
        int | None,
        typer.Option(metavar="MiB", help="memory that a layer may use; if not given, all"),
    ] = None,
    timing_cache: Annotated[
        Path | None, typer.Option(help="read and written, for faster builds; tensorrt only")
    ] = None,
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X.Y",
            help="GPU to build for, may be repeated; tensorrt-rtx only. If not given, the GPU "
            "here; without one, all from 8.0 on",
        ),
    ] = None,
) -> None:
    """Build an engine from a model, and write what it is beside it, into ship.engine.json.

    A model that takes any size runs fastest on one: give it as --min, --opt and --max alike.
    """
    from ship_deploy.commands.build import build_file

    build_file(
        model,
        output,
        flavour=flavour,
        sizes=(low, usual, high),
        batch=batch,
        workspace=workspace,
        timing_cache=timing_cache,
        compute_capabilities=compute_capability or (),
    )


@app.command()
def calibrate(
    visible: Annotated[Path, typer.Argument(help="image, or a folder of them")],
    infrared: Annotated[Path, typer.Argument(help="its partner, of any size")],
    output: Annotated[Path, typer.Option("--output", "-o", help="calibration.json")],
    board: Annotated[
        str | None,
        typer.Option(metavar="ROWSxCOLUMNS", help="inner corners of a chessboard in each pair"),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(help="CSV file of points: infrared_x,infrared_y,visible_x,visible_y"),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(help="RMS in visible pixels; 0.5% of the diagonal if not given"),
    ] = None,
) -> None:
    """Find where the infrared view lies in the visible one, from a few pairs of images.

    Without a chessboard or points, edges in the two are matched. The cameras must be upright beside
    each other and look far: near things are off by the distance between the lenses. A picture to
    judge by is written beside the calibration.
    """
    from ship_deploy.commands.calibrate import calibrate_files

    calibrate_files(visible, infrared, output, board=board, points=points, max_error=max_error)


@app.command()
def find_dead_pixels(
    frames: Annotated[Path, typer.Argument(help="folder of 5 or more infrared images, 16 bits")],
    output: Annotated[Path, typer.Option("--output", "-o", help="an image, dead.png")],
) -> None:
    """Find the pixels of an infrared sensor that do not measure, for stream --dead-pixels.

    Best from frames of a moving scene, or with the cap on the lens.
    """
    from ship_deploy.commands.find_dead_pixels import map_dead_pixels

    map_dead_pixels(frames, output)


@app.command()
def info(
    model: Annotated[Path, typer.Argument(help="model.onnx, or an engine")],
) -> None:
    """Say in JSON what a model or an engine is, after checking that it is whole and unedited."""
    from ship_deploy.commands.info import describe

    describe(model)


@app.command()
def doctor() -> None:
    """Say what this machine can run, and how to get what it can't."""
    from ship_deploy.commands.doctor import examine

    examine()


def main() -> None:
    """Entry point of `ship-deploy`."""
    console.run(app)
