"""Commands for cameras: find them, calibrate them and fuse what they see."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ship_deploy import console
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


class PairBy(str, Enum):
    """How frames of two files find each other."""

    TIME = "time"
    INDEX = "index"


class LogFormat(str, Enum):
    """What is said on standard error while a stream runs."""

    TEXT = "text"
    JSON = "json"


def stream(
    visible: Annotated[
        str,
        typer.Argument(
            help="Camera index or device, network address (rtsp://, http://), ENV:NAME or "
            "file:PATH that holds one, video (- for one from standard input), or folder of images."
        ),
    ],
    infrared: Annotated[str, typer.Argument(help="The same for the infrared camera.")],
    visible_mode: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT,HxW,RATE",
            help="Pixel format, size and rate to ask a camera of this computer for, or some of "
            "them: MJPG,720x1280,30.",
        ),
    ] = None,
    infrared_mode: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT,HxW,RATE",
            help="The same: Y16 for counts; YUYV16 for USB cameras that send temperatures as YUYV.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Video to write (.mp4, .mkv, .mov or .avi), or folder for images. The name of a "
            "video may hold the time as strftime writes it: rec/%Y-%m-%d/%H%M.mp4.",
        ),
    ] = None,
    pair_by: Annotated[
        PairBy, typer.Option(help="Pair frames by time, or those of two files by index.")
    ] = PairBy.TIME,
    offset: Annotated[
        float, typer.Option(help="Seconds to subtract from the time stamps of infrared frames.")
    ] = 0.0,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Frames per second of what is written or pushed "
            "(default: that of the visible file, or 25).",
        ),
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Begin a new file at every multiple of this, such as 10min, by the clock; their "
            "names carry the time (default: one file).",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Remove files of this recording that are older, such as 7d (default: never).",
        ),
    ] = None,
    keep_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Remove its oldest files when all take more, such as 200GB (default: never).",
        ),
    ] = None,
    clock: Annotated[
        bool, typer.Option("--clock", help="Draw date and time into the recorded pictures.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Overwrite an earlier output instead of writing beside it."
        ),
    ] = False,
    model: Model = None,
    backend: Backend = "auto",
    device: Device = "auto",
    threads: Threads = None,
    signed_by: SignedBy = None,
    percentiles: Percentiles = PERCENTILES,
    smoothing: Annotated[
        float,
        typer.Option(help="Time constant in seconds with which these levels follow the scene."),
    ] = 2.0,
    clahe: Annotated[
        float | None,
        typer.Option(help="Clip limit of CLAHE for local contrast, such as 2 (default: off)."),
    ] = None,
    black_hot: Annotated[
        bool, typer.Option("--black-hot", help="The infrared camera shows warm objects dark.")
    ] = False,
    dead_pixels: Annotated[
        Path | None,
        typer.Option(help="Map of dead pixels, written by ship-deploy find-dead-pixels."),
    ] = None,
    calibration: CalibrationFile = None,
    crop_infrared: CropInfrared = None,
    steady: Annotated[
        bool,
        typer.Option("--steady", help="Smooth the picture over time where nothing moves."),
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Media server to send the fused stream to: rtsp://HOST:8554/NAME, or rtmp, srt, "
            "udp or http; or ENV:NAME or file:PATH that holds its address.",
        ),
    ] = None,
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve a live page there; a port alone can be reached from this machine only.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="Token that viewers of the page need, or ENV:NAME or file:PATH that holds it."
        ),
    ] = None,
    give_up_after: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Fail when neither camera gave a frame for so long, such as 5min, so that a "
            "supervisor starts anew (default: try for ever).",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="Log lines for people, or JSON for programs.")
    ] = LogFormat.TEXT,
    max_pixels: MaxPixels = None,
) -> None:
    """Fuse two live cameras until interrupted, or two videos.

    Frames are paired by time. Where fusing is slower than the cameras, frames are dropped and
    latency stays bounded. A camera that fails is reconnected; meanwhile the other one is shown
    alone. On SIGUSR1, what happened in the last minute is written to a file.
    """
    from ship_deploy.commands.stream import stream
    from ship_deploy.events import FlightRecorder

    limit_pixels(max_pixels)
    if log_format is LogFormat.JSON:
        console.log_as_json()
    else:
        console.log_as_text()
    with FlightRecorder():
        stream(
            visible,
            infrared,
            output,
            visible_mode=visible_mode,
            infrared_mode=infrared_mode,
            pair_by=pair_by.value,
            offset=offset,
            rate=rate,
            segment=segment,
            keep=keep,
            keep_size=keep_size,
            clock=clock,
            overwrite=overwrite,
            calibration=calibration,
            dead_pixels=dead_pixels,
            percentiles=percentiles,
            smoothing=smoothing,
            clahe=clahe,
            black_hot=black_hot,
            crop_infrared=crop_infrared,
            steady=steady,
            push=push,
            serve=serve,
            token=token,
            give_up_after=give_up_after,
            model=model,
            backend=backend,
            device=device,
            threads=threads,
            signed_by=signed_by,
        )


def calibrate(
    visible: Annotated[Path, typer.Argument(help="Image or folder of images.")],
    infrared: Annotated[
        Path, typer.Argument(help="The same, of any size; folders are paired by file name.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Calibration to write, such as rig.json.")
    ],
    board: Annotated[
        str | None,
        typer.Option(
            metavar="ROWSxCOLUMNS", help="Inner corners of a chessboard that every pair shows."
        ),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of corresponding points, with the columns infrared_x, infrared_y, "
            "visible_x and visible_y."
        ),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(help="Largest RMS error in visible pixels (default: 0.5% of the diagonal)."),
    ] = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Align two cameras: estimate the homography from infrared to visible images.

    Without --board or --points, edges of the two images are matched. The cameras must be upright,
    side by side, and look at a distant scene: near objects are displaced by parallax. A picture to
    check the alignment with is written beside the calibration.
    """
    from ship_deploy.commands.calibrate import calibrate_files

    limit_pixels(max_pixels)
    calibrate_files(visible, infrared, output, board=board, points=points, max_error=max_error)


def find_dead_pixels(
    frames: Annotated[
        Path, typer.Argument(help="Folder of at least 5 infrared images of 16 bits.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Map to write, such as dead.png.")],
    max_pixels: MaxPixels = None,
) -> None:
    """Find the dead pixels of an infrared camera, for ship-deploy stream --dead-pixels.

    Use frames of a moving scene, or frames with the lens covered.
    """
    from ship_deploy.commands.find_dead_pixels import map_dead_pixels

    limit_pixels(max_pixels)
    map_dead_pixels(frames, output)


def find(
    recording: Annotated[
        Path,
        typer.Argument(help="What was given to ship-deploy stream as -o, its folder or its index."),
    ],
    time: Annotated[
        str,
        typer.Argument(
            metavar="TIME",
            help="Such as 2026-11-25T14:05, in local time, or 2026-11-25T13:05:00Z.",
        ),
    ],
) -> None:
    """Find a time in a recording: print the file that shows it, and after how many seconds."""
    from ship_deploy.commands.find import find

    find(recording, time)
