"""The `ship-deploy` command: what its commands take. What they do is in a file for each."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ship_deploy import console
from ship_deploy.artifact import VERSION
from ship_deploy.backends import NAMES
from ship_deploy.frames import PERCENTILES, PIXELS
from ship_deploy.models import CATALOGUE

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills paragraphs
    epilog=console.EPILOG,
)


class RunByDefault(TyperGroup):
    """A first argument of `bench` that is no command of it is a model or an option of `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front where it was left out."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


bench = typer.Typer(
    cls=RunByDefault,
    rich_markup_mode="markdown",
    help="Measure how long a frame takes here, and compare. The word run may be left out.",
)
app.add_typer(bench, name="bench")
cache = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="List or clear the engines that were built on first use.",
)
app.add_typer(cache, name="cache")

Model = Annotated[
    str | None,
    typer.Option(
        help="Name of a bundled model, path of a model.onnx or engine, or address of one on a "
        "Triton server, such as grpc://HOST:8001/ship-t "
        f"(default: {next(iter(CATALOGUE))})."
    ),
]
Threads = Annotated[
    int | None, typer.Option(help="Number of CPU threads (default: all that it may use).")
]
SignedBy = Annotated[
    Path | None,
    typer.Option(
        "--require-signature",
        metavar="KEY.pem",
        help="Ed25519 public key that the model or engine has to be signed by, in MODEL.sig.",
    ),
]
Backend = Annotated[str, typer.Option(help=f"Inference engine: auto, {', '.join(NAMES)}.")]
Device = Annotated[str, typer.Option(help="Device to run on: auto, cpu, cuda or cuda:N.")]
Percentiles = Annotated[
    tuple[float, float],
    typer.Option(
        help="Percentiles of an infrared frame of more than 8 bits that become black and white."
    ),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        help="Calibration of cameras that are not aligned, written by ship-deploy calibrate.",
    ),
]

CropInfrared = Annotated[
    str | None,
    typer.Option(
        metavar="PART",
        help="Part of each infrared frame to use: top, bottom or X,Y,W,H. Of USB cameras whose "
        "frames hold two pictures, top is the image, bottom the temperatures.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Pixels of the largest image or video frame that is decoded (default: 100 million, or "
        "the environment variable SHIP_DEPLOY_MAX_PIXELS).",
    ),
]


class PairBy(str, Enum):
    """How frames of two files find each other."""

    TIME = "time"
    INDEX = "index"


class LogFormat(str, Enum):
    """What is said on standard error while a stream runs."""

    TEXT = "text"
    JSON = "json"


def _limit(max_pixels: int | None) -> None:
    if max_pixels is not None:
        os.environ[PIXELS] = str(max_pixels)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def ship_deploy(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Fuse infrared and visible images."""


@app.command()
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

    _limit(max_pixels)
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


@app.command()
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

    _limit(max_pixels)
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


@app.command()
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

    _limit(max_pixels)
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


@app.command()
def build(
    model: Annotated[str, typer.Argument(help="Name of a bundled model, or path of a model.onnx.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Engine to write, such as ship.engine.")
    ],
    flavour: Annotated[
        str | None,
        typer.Option(
            help="TensorRT package to build with: tensorrt or tensorrt-rtx "
            "(default: the one that is installed)."
        ),
    ] = None,
    low: Annotated[
        str | None,
        typer.Option("--min", metavar="HxW", help="Smallest frame (default: 16x16)."),
    ] = None,
    usual: Annotated[
        str | None,
        typer.Option("--opt", metavar="HxW", help="Frame to optimize for (default: 480x640)."),
    ] = None,
    high: Annotated[
        str | None,
        typer.Option("--max", metavar="HxW", help="Largest frame (default: 1080x1920)."),
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="Most frames in a call.")] = 1,
    workspace: Annotated[
        int | None,
        typer.Option(
            metavar="MiB", help="Memory that a layer may use (default: all of the GPU's)."
        ),
    ] = None,
    timing_cache: Annotated[
        Path | None,
        typer.Option(help="Timing cache to read and update, for faster builds; tensorrt only."),
    ] = None,
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X.Y",
            help="Compute capability to build for; may be repeated; tensorrt-rtx only "
            "(default: that of this machine's GPU; without one, all from 8.0 on).",
        ),
    ] = None,
    signed_by: SignedBy = None,
) -> None:
    """Build a TensorRT engine from a model.

    A file beside it, such as ship.engine.json, says what the engine was built from, with and for.
    An engine for one size is the fastest: give that size as --min, --opt and --max.
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
        signed_by=signed_by,
    )


@app.command()
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

    _limit(max_pixels)
    calibrate_files(visible, infrared, output, board=board, points=points, max_error=max_error)


@app.command()
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

    _limit(max_pixels)
    map_dead_pixels(frames, output)


@app.command()
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


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the bundled models: their purpose, speed and quality, and the licence of their data."""
    from ship_deploy.commands.models import list_models

    list_models(as_json)


@cache.command("list")
def cache_list() -> None:
    """List the engines in the cache, the last used first, with their sizes."""
    from ship_deploy.commands.cache import list_engines

    list_engines()


@cache.command("clear")
def cache_clear() -> None:
    """Remove the engines in the cache; they are built again when they are needed."""
    from ship_deploy.commands.cache import clear_engines

    clear_engines()


@app.command()
def info(
    model: Annotated[
        str,
        typer.Argument(
            help="Name of a bundled model, or path of a model.onnx, an engine or a checkpoint."
        ),
    ],
    signed_by: SignedBy = None,
) -> None:
    """Check a model, engine or checkpoint for damage and print its metadata as JSON."""
    from ship_deploy.commands.info import describe

    describe(model, signed_by)


class Style(str, Enum):
    """How a table is printed."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    CSV = "csv"


@bench.command("run")
def bench_run(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Bundled models by name, or paths of a model.onnx or engine."),
    ] = None,
    sizes: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="HxW", help="Frame size; may be repeated (480x640)."),
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(help="Number of CPU threads; may be repeated (default: all it may use)."),
    ] = None,
    backend: Backend = "auto",
    device: Device = "auto",
    warm_up: Annotated[
        int, typer.Option(metavar="N", min=1, help="Frames before the first that counts.")
    ] = 5,
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, help="Frames that count, of each.")
    ] = 100,
    percentiles: Annotated[
        list[float] | None,
        typer.Option(
            "--percentile",
            help="Percentile to print; may be repeated (50 and 90). 99 needs 500 rounds.",
        ),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Measure from camera to picture, too.")
    ] = False,
    rate: Annotated[
        float,
        typer.Option(metavar="N", min=1, max=400, help="Frames per second of these drawn cameras."),
    ] = 25.0,
    label: Annotated[
        str | None, typer.Option(help="What the machine is called in tables (default: its name).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file to write, for comparisons.")
    ] = None,
) -> None:
    """Time models on this machine: models and numbers of threads take turns."""
    from ship_deploy.commands.bench import measure

    measure(
        models or (),
        sizes=sizes or ["480x640"],
        threads=threads or (),
        backend=backend,
        device=device,
        warm_up=warm_up,
        rounds=rounds,
        percentiles=percentiles or [50.0, 90.0],
        camera=rate if stream else None,
        label=label,
        output=output,
    )


@bench.command("compare")
def bench_compare(
    before: Annotated[Path, typer.Argument(metavar="A.json", help="File of bench run -o.")],
    after: Annotated[Path, typer.Argument(metavar="B.json", help="A later one.")],
    fail_if_slower: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Fail if a setting is slower by more than this, such as 10%: if the whole 95% "
            "interval is.",
        ),
    ] = None,
) -> None:
    """Compare two files, setting by setting, with 95% intervals."""
    from ship_deploy.commands.bench import compare

    compare(before, after, fail_if_slower)


@bench.command("table")
def bench_table(
    files: Annotated[list[Path], typer.Argument(help="Files of bench run -o.")],
    style: Annotated[
        Style, typer.Option("--format", help="For a terminal, Markdown or CSV.")
    ] = Style.TERMINAL,
) -> None:
    """Print one table of the files of many machines."""
    from ship_deploy.commands.bench import show

    show(files, style.value)


@app.command()
def doctor() -> None:
    """Show what this machine can run, and how to install what is missing."""
    from ship_deploy.commands.doctor import examine

    examine()


def main() -> None:
    """Entry point of `ship-deploy`."""
    console.run(app)
