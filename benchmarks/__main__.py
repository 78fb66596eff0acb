"""`python -m benchmarks COMMAND ... -o DIR`; a function here is a command, a file its work."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markdown import Markdown

from ship_deploy import console
from ship_deploy.console import ERR, OUT
from ship_deploy.errors import UserError
from ship_deploy.frames import parse_size
from ship_deploy.models import CATALOGUE

if TYPE_CHECKING:
    from benchmarks.models import Models

SIZES = ["256x320", "480x640"]
BUNDLED_SIZES = ["120x160", "256x320", "480x640", "720x1280"]
THREADS = [2, 1]
TARGETS = Path(__file__).parent / "results" / "targets.json"
GPU_SIZES = ["480x640", "1080x1920", "256x320", "768x1024"]  # what matters most first
SCALES = ["256x320", "480x640", "768x1024", "1080x1920", "2160x3840"]
BATCHES = [1, 2, 4, 8, 16]
STREAMED = ["nothing", "ship-t", "ship-s"]
STREAM_SIZES = ["480x640", "1080x1920"]
SEEDS = [7, 8]
CLIENTS = [1, 4, 16]
PRECISIONS = ["32-true", "bf16-mixed"]
METHODS = ["baselines", *CATALOGUE]
UNSEEN = ["average", "maximum", "laplacian", "guided", "MSX-like", *CATALOGUE][:6]
ALL: list[str] = []  # candidates, tools; none named is all of them
RUNTIME = ["onnxruntime-cpu-fp32"]
NO_DATA: list[Path] = []
DRIFT = {"fp32": 1e-4, "fp16": 1e-2}  # relative error of a layer that is worth a look
WORKERS = [1, 2]
BOXES = Path(__file__).parent / "targets" / "boxes.json"
CHECKPOINT = Path(__file__).parents[1] / "configs" / "ship.safetensors"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills paragraphs
    epilog=console.EPILOG,
)

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for everything that is written.")
]
Checkpoint = Annotated[
    Path,
    typer.Option(
        help="Checkpoint, .safetensors or .pth (default: that of ship).", show_default=False
    ),
]
Data = Annotated[list[Path], typer.Argument(help="Folders with visible/ and infrared/.")]
Sizes = Annotated[list[str], typer.Option(help="HEIGHTxWIDTH of frames; may be repeated.")]
Keys = Annotated[
    list[str],
    typer.Option(
        "--candidate",
        help="Engine to measure, such as onnxruntime-cpu-fp32; may be repeated.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--models", help="Folder to keep models and engines in."),
]
Methods = Annotated[
    list[str],
    typer.Option(
        "--methods",
        "-m",
        metavar="[NAME=]METHOD",
        help="Baseline, 'baselines' for all of them, bundled model, model (.onnx, .safetensors, "
        ".pth), or folder of pictures named like the sources; may be repeated (default: baselines "
        "and all bundled models).",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of processes (default: one per core).")
]


@app.callback()
def describe() -> None:
    """Measure speed, image quality and fidelity, and record on which machine."""


@app.command()
def latency(
    output: Output,
    checkpoint: Checkpoint = CHECKPOINT,
    size: Sizes = SIZES,
    candidate: Keys = ALL,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Device to run on.")] = "cpu",
    rounds: Annotated[int, typer.Option(min=1, help="Timed calls of each engine.")] = 15,
    models: Folder = None,
) -> None:
    """Time one frame in all engines of a device, in turns, on an otherwise idle machine."""
    sizes = [parse_size("--size", text) for text in size]
    with _models(checkpoint, models) as made:
        from benchmarks.candidates import FOR_LATENCY, choose
        from benchmarks.latency.measure import check_all_ran, run

        chosen = choose(candidate, FOR_LATENCY[device])
        _show(run(made, chosen, output, sizes, rounds))
        if candidate:  # whatever cannot run here is no failure unless it was asked for
            check_all_ran(output)


@app.command()
def bundled(
    output: Output,
    size: Sizes = BUNDLED_SIZES,
    threads: Annotated[
        list[int], typer.Option(min=1, help="Number of CPU threads; may be repeated.")
    ] = THREADS,
    rounds: Annotated[int, typer.Option(min=1, help="Timed calls of each.")] = 7,
    kept: Annotated[
        Path, typer.Option(help="A targets.json, for the plot.", show_default=False)
    ] = TARGETS,
) -> None:
    """Time the bundled models beside SHIP in PyTorch, on an otherwise idle machine."""
    sizes = [parse_size("--size", text) for text in size]
    with ERR.status("Importing torch and ONNX"):
        from benchmarks.latency.bundled import run
    _show(run(CHECKPOINT, output, sizes, threads, rounds, kept))


@app.command()
def ratio(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="Bundled models, or paths of a model.onnx, two by two; openvino:A for OpenVINO.",
        ),
    ],
    output: Output,
    size: Sizes = SIZES,
    rounds: Annotated[int, typer.Option(min=5, help="Timed calls of each.")] = 30,
    threads: Annotated[int, typer.Option(min=1, help="Number of CPU threads.")] = 2,
) -> None:
    """Time two models or backends in turns, on an otherwise idle machine."""
    sizes = [parse_size("--size", text) for text in size]
    with ERR.status("Importing torch and ONNX"):
        from benchmarks.latency.ratio import run
    _show(run(names, output, sizes, rounds, threads))


@app.command()
def scaling(
    output: Output,
    checkpoint: Checkpoint = CHECKPOINT,
    size: Sizes = SCALES,
    batch: Annotated[
        list[int], typer.Option(min=1, help="Frames in a call; may be repeated.")
    ] = BATCHES,
    batch_size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of frames in batches.")] = "256x320",
    candidate: Keys = RUNTIME,
    models: Folder = None,
) -> None:
    """Measure time and memory by size and by batch, with a plot, on an otherwise idle machine."""
    sizes = [parse_size("--size", text) for text in size]
    with _models(checkpoint, models) as made:
        from benchmarks.candidates import FOR_LATENCY, choose
        from benchmarks.latency.scaling import run

        chosen = choose(candidate, [c for some in FOR_LATENCY.values() for c in some])
        _show(run(made, chosen, output, sizes, batch, parse_size("--batch-size", batch_size)))


@app.command()
def fidelity(
    data: Data,
    output: Output,
    checkpoint: Checkpoint = CHECKPOINT,
    candidate: Keys = ALL,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Pairs to take from each folder.")
    ] = None,
    made: Annotated[
        bool, typer.Option(help="Also compare synthetic frames: black, noise, full HD.")
    ] = True,
    models: Folder = None,
) -> None:
    """Compare all engines with the reference network; fail if one is out of tolerance."""
    with _models(checkpoint, models) as folder:
        from benchmarks.candidates import FOR_FIDELITY, choose
        from benchmarks.fidelity.measure import run

        chosen = choose(candidate, FOR_FIDELITY)
        _show(run(folder, chosen, data, output, limit, made))


@app.command()
def layers(
    data: Annotated[Path, typer.Argument(help="Folder with visible/ and infrared/.")],
    output: Output,
    checkpoint: Checkpoint = CHECKPOINT,
    candidate: Annotated[str, typer.Option(help="Engine to look into.")] = "onnxruntime-cpu-fp16",
    pair: Annotated[str | None, typer.Option(help="Name of a pair (default: the first).")] = None,
    limit: Annotated[
        float | None,
        typer.Option(help="Relative error that counts as drift (default: 1e-4, or 1e-2 for FP16)."),
    ] = None,
) -> None:
    """Find the first layer of a graph that drifts away from the FP32 network."""
    with ERR.status("Importing, exporting, comparing"):
        from benchmarks.candidates import FOR_FIDELITY, choose
        from benchmarks.fidelity.layers import run
        from benchmarks.pairs import real_pairs

        (chosen,) = choose([candidate], FOR_FIDELITY)
        found = [p for p in real_pairs(data) if pair in (None, p.name)]
        if not found:
            raise UserError(f"{data}: no pair is called {pair}")
        bound = limit or DRIFT[chosen.precision]
        table = run(checkpoint, chosen, found[0], output, bound)
    _show(table)


@app.command()
def narrowing(
    data: Data,
    output: Output,
    checkpoint: Checkpoint = CHECKPOINT,
    limit: Annotated[int, typer.Option(min=1, help="Pairs to take from each folder.")] = 2,
) -> None:
    """Measure what each part of the network costs in FP16, in dB and in bytes, on real frames."""
    from benchmarks.fidelity.narrowing import run

    _show(run(checkpoint, data, output, limit))


@app.command()
def quantisation(
    output: Output,
    calibration: Annotated[Path, typer.Argument(help="Folder with visible/ and infrared/.")],
    test: Annotated[Path, typer.Argument(help="The same, to measure on.")],
    limit: Annotated[int, typer.Option(min=1, help="Pairs to take from each folder.")] = 12,
) -> None:
    """Measure what INT8 and FP8 cost the compact models, layer by layer, and build engines."""
    from benchmarks.fidelity.quantisation import run

    _show(run(output, calibration, test, limit))


@app.command()
def gpu(
    output: Output,
    data: Annotated[
        list[Path], typer.Argument(help="Folders with visible/ and infrared/, to compare on.")
    ] = NO_DATA,
    checkpoint: Checkpoint = CHECKPOINT,
    size: Sizes = GPU_SIZES,
    rounds: Annotated[int, typer.Option(min=1, help="Timed calls of each engine.")] = 100,
    minutes: Annotated[
        float, typer.Option(help="Minutes after which the run ends; finished parts are kept.")
    ] = 6,
    models: Folder = None,
) -> None:
    """Check, build, verify and time everything on a GPU, unattended."""
    sizes = [parse_size("--size", text) for text in size]
    with _models(checkpoint, models) as made:
        from benchmarks.gpu import run

        table = run(made, data, output, sizes, rounds, minutes, ERR.print)
        _show(table)


@app.command()
def quality(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]DATA",
            help="Folders with visible/ and infrared/, or another layout of public data sets.",
        ),
    ],
    output: Output,
    methods: Methods = METHODS,
    convention: Annotated[
        Literal["cddfuse", "paper"],
        typer.Option(
            help="Definitions of the metrics: those of most tables, or of the original papers."
        ),
    ] = "cddfuse",
    gallery_by: Annotated[
        str, typer.Option(help="Metric by which the gallery is sorted.")
    ] = "Qabf",
    against: Annotated[
        str | None, typer.Option(help="Method to compare the others with (default: the last one).")
    ] = None,
    workers: Workers = None,
) -> None:
    """Score fused pictures by all metrics, with a plot and a gallery; resume where it stopped."""
    with ERR.status("Importing torch and ONNX"):
        from benchmarks.quality import measure as quality
        from training.metrics import METRICS
    if gallery_by not in METRICS:
        raise typer.BadParameter(f"{gallery_by!r} is none of {', '.join(METRICS)}")
    _show(quality.run(data, methods, output, convention, gallery_by, workers, against))


@app.command()
def targets(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]DATA",
            help="Folders with visible/ and infrared/; those with the same name form one data "
            "set. 'rendered' stands for scenes with exact masks.",
        ),
    ],
    output: Output,
    methods: Methods = METHODS,
    boxes: Annotated[
        Path,
        typer.Option(
            help="Where targets and details are in real pairs, as JSON (default: those of TNO "
            "and RoadScene).",
            show_default=False,
        ),
    ] = BOXES,
    against: Annotated[
        str | None, typer.Option(help="Method to compare the others with (default: the last one).")
    ] = None,
    ranks: Annotated[
        Path | None, typer.Option(help="A quality.json of the same methods, for their mean ranks.")
    ] = None,
    detector: Annotated[
        bool, typer.Option(help="Also count what an object detector finds; needs Node.js.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Pairs to take from each folder.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Measure which targets and how much detail fused pictures keep; resume where it stopped."""
    with ERR.status("Importing torch and ONNX"):
        from benchmarks.targets import measure
    table = measure.run(data, methods, output, boxes, against, ranks, detector, limit, workers)
    _show(table)


@app.command()
def annotate(data: Data) -> None:
    """Add masks/ of people and vehicles, found by a detector, for training; needs Node.js."""
    from benchmarks.targets.annotate import run

    _show(run(data))


@app.command()
def misalignment(
    data: Annotated[list[str], typer.Argument(metavar="[NAME=]DATA", help="As for targets.")],
    output: Output,
    methods: Methods = METHODS,
    boxes: Annotated[Path, typer.Option(help="As for targets.", show_default=False)] = BOXES,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Pairs to take from each folder.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Measure targets and detail where the infrared frame is out of alignment."""
    with ERR.status("Importing torch and ONNX"):
        from benchmarks.targets.misalignment import run
    _show(run(data, methods, output, boxes, limit, workers))


@app.command()
def flicker(
    clips: Annotated[
        list[Path], typer.Argument(help="Folders with videos in visible/ and infrared/.")
    ],
    output: Output,
    methods: Methods = METHODS,
    places: Annotated[
        int, typer.Option(min=1, help="Threes of frames in a row to take from each clip.")
    ] = 22,
    workers: Workers = None,
) -> None:
    """Measure how much fused clips change where their sources do not, and how they move."""
    with ERR.status("Importing torch and ONNX"):
        from benchmarks.targets.flicker import run
    _show(run(clips, methods, output, places, workers))


@app.command()
def panels(
    output: Output,
    data: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=]DATA", help="As for quality (default: rendered streets)."),
    ] = None,
    methods: Annotated[
        list[str],
        typer.Option(
            "--methods",
            "-m",
            metavar="[NAME=]METHOD",
            help="As for quality (default: ship).",
            show_default=False,
        ),
    ] = METHODS[1:],
    crops: Annotated[int, typer.Option(min=1, help="Number of crops to draw.")] = 10,
) -> None:
    """Draw enlarged crops around the strongest edges, where edge beads show."""
    with ERR.status("Fusing"):
        from benchmarks.quality.panels import run

        run(data or [], methods, output, crops)


@app.command()
def unseen(
    output: Output,
    methods: Methods = UNSEEN,
) -> None:
    """Show scenes in which methods with good metrics lose people."""
    with ERR.status("Fusing"):
        from benchmarks.targets.unseen import run

        table = run(methods, output)
    _show(table)


@app.command()
def training(
    output: Output,
    precision: Annotated[
        list[str], typer.Option(help="Precision of the training loop; may be repeated.")
    ] = PRECISIONS,
    crop: Annotated[int, typer.Option(min=16, help="Side of the square crops in pixels.")] = 128,
    batch: Annotated[int, typer.Option(min=1, help="Crops per step.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Timed steps of each loop.")] = 20,
) -> None:
    """Time the steps of the training loop, against a plain loop in eager PyTorch."""
    from benchmarks.training_speed import run

    _show(run(output, precision, crop, batch, rounds))


@app.command()
def stream(
    output: Output,
    size: Sizes = STREAM_SIZES,
    frames: Annotated[int, typer.Option(min=40, help="Timed frames of each size.")] = 600,
    model: Annotated[
        list[str],
        typer.Option(help="Bundled model, or 'nothing' in place of one; may be repeated."),
    ] = STREAMED,
) -> None:
    """Measure two live cameras at 30 Hz from capture to result, and the highest frame rate."""
    from benchmarks.streaming import overhead as stream

    sizes = [parse_size("--size", text) for text in size]
    with ERR.status("Streaming; leave the machine alone"):
        table = stream.run(output, sizes, frames, model)
    _show(table)


@app.command()
def soak(
    output: Output,
    frames: Annotated[int, typer.Option(min=1000, help="Frames to fuse.")] = 100_000,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of visible frames.")] = "480x640",
) -> None:
    """Stream for long, with faults; fail if memory grows or a frame is unaccounted for."""
    from benchmarks.streaming import soak

    logging.getLogger("ship_deploy").setLevel(logging.ERROR)  # it tells of every cut
    with ERR.status("Soaking"):
        table = soak.run(output, frames, *parse_size("--size", size))
    _show(table)


@app.command()
def threads(
    output: Output,
    model: Annotated[str, typer.Option(help="Name of a bundled model.")] = "ship-s",
    threads: Annotated[int, typer.Option(min=2, help="Threads that fuse at a time.")] = 16,
    frames: Annotated[int, typer.Option(min=1, help="Frames that each fuses.")] = 10_000,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of frames.")] = "48x64",
) -> None:
    """Fuse in many threads at a time; fail if one frame differs from that of one thread."""
    from benchmarks.streaming.threads import run

    with ERR.status("Fusing"):
        table = run(output, model, threads, frames, *parse_size("--size", size))
    _show(table)


@app.command()
def batch(
    output: Output,
    pairs: Annotated[int, typer.Option(min=100, help="Pairs of the long run.")] = 100_000,
    few: Annotated[int, typer.Option(min=50, help="Pairs of the runs to compare.")] = 20_000,
    workers: Annotated[
        list[int], typer.Option(min=1, help="Number of workers; may be repeated.")
    ] = WORKERS,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of frames.")] = "48x64",
    model: Annotated[str, typer.Option(help="Name of a bundled model.")] = "ship-t",
) -> None:
    """Fuse an archive of small pairs on Ray; run by build/ray/bin/python, see make test-ray."""
    from benchmarks.batch import run

    with ERR.status("Fusing; leave the machine alone"):
        table = run(output, pairs, few, parse_size("--size", size), model, workers)
    _show(table)


@app.command()
def interruption(
    output: Output,
    kills: Annotated[int, typer.Option(min=1, help="Runs to end by kill -9.")] = 1000,
    signals: Annotated[int, typer.Option(min=1, help="The same by SIGTERM, and by Ctrl-C.")] = 100,
) -> None:
    """End commands at random moments; fail if a file is damaged then."""
    from benchmarks import interruption

    with ERR.status("Interrupting"):
        table = interruption.run(output, kills, signals)
    _show(table)


@app.command()
def bindings(output: Output) -> None:
    """Look for all that the code asks TensorRT, ONNX Runtime and PyCUDA for in each version."""
    from benchmarks import bindings

    _show(bindings.run(output))


@app.command()
def operators(output: Output) -> None:
    """Look for every ONNX operator of our graphs in what TensorRT's versions support."""
    with ERR.status("Importing torch and ONNX"):
        from benchmarks import operators

    _show(operators.run(output))


@app.command()
def tools(
    output: Output,
    tool: Annotated[
        list[str],
        typer.Option(help="Row of the table, such as OpenVINO; may be repeated (default: all)."),
    ] = ALL,
) -> None:
    """Ask other tools for the bundled models' pictures, each in an environment of its own."""
    with ERR.status("Importing"):
        from benchmarks.tools import table

    _show(table.run(output, tool))


@app.command()
def bombs(
    output: Output,
    before: Annotated[Path | None, typer.Option(help="Older checkout to compare with.")] = None,
) -> None:
    """Read image files of a few bytes that would fill the memory."""
    from benchmarks import bombs

    with ERR.status("Reading"):
        table = bombs.run(output, before)
    _show(table)


@app.command()
def faults(
    output: Output,
    seed: Annotated[list[int], typer.Option(help="Seed of the faults; may be repeated.")] = SEEDS,
    count: Annotated[int, typer.Option(min=100, help="Faults of both cameras.")] = 1000,
) -> None:
    """Stream from cameras that fail; fail if memory grows or a frame is unaccounted for."""
    from benchmarks.streaming import faults

    logging.getLogger("ship_deploy.streams").setLevel(logging.CRITICAL)  # it tells of every one
    with ERR.status("Failing"):
        table = faults.run(output, seed, count)
    _show(table)


@app.command()
def recordings(
    output: Output,
    kills: Annotated[int, typer.Option(min=8, help="Recordings to end by kill -9.")] = 100,
) -> None:
    """Kill recordings and fill their disks; fail if too much is lost."""
    from benchmarks.streaming import recordings

    with ERR.status("Recording"):
        table = recordings.run(output, kills)
    _show(table)


@app.command()
def watch(
    output: Output,
    minutes: Annotated[float, typer.Option(min=1, help="How long to record.")] = 60,
    kills: Annotated[int, typer.Option(min=1, help="Writers to end by kill -9.")] = 10,
    full: Annotated[int, typer.Option(min=1, help="How often to fill the disk.")] = 2,
) -> None:
    """Record by the clock, kill, fill the disk, and look for every picture by its time."""
    from benchmarks.streaming import watch

    with ERR.status("Recording"):
        table = watch.run(output, minutes, kills, full)
    _show(table)


@app.command()
def triton(
    output: Output,
    model: Annotated[str, typer.Option(help="Name of a bundled model.")] = "ship-t",
    clients: Annotated[
        list[int], typer.Option(min=1, help="Clients at a time; may be repeated.")
    ] = CLIENTS,
    requests: Annotated[
        int, typer.Option(min=500, help="Requests of all clients together, for each line.")
    ] = 1000,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of frames.")] = "480x640",
) -> None:
    """Load a Triton server with clients; runs in build/triton, which make test-triton makes."""
    from benchmarks.triton.load import run

    parse_size("--size", size)
    with ERR.status("Loading; leave the machine alone"):
        table = run(output, model, clients, requests, size)
    _show(table)


@app.command()
def report() -> None:
    """Rewrite the tables in README, model card and results from the committed JSON."""
    with ERR.status("Importing"):
        from benchmarks.report import write
    for path in write():
        print(path)


@contextmanager
def _models(checkpoint: Path, folder: Path | None) -> "Iterator[Models]":
    """Where models and engines are put: a folder that stays, or one that goes."""
    with ERR.status("Importing torch and ONNX"):
        from benchmarks.models import Models
    if folder is not None:
        yield Models(checkpoint, folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Models(checkpoint, Path(temporary))


def _show(markdown: str) -> None:
    """Print a result, laid out where its tables fit the terminal: else rich would cut words."""
    rows = [line.split("|") for line in markdown.splitlines() if line.startswith("|")]
    width = sum(max(map(len, cells)) for cells in zip_longest(*rows, fillvalue=""))
    OUT.print(Markdown(markdown) if width <= OUT.width else markdown, soft_wrap=True, markup=False)


if __name__ == "__main__":
    console.run(app)
