"""`python -m benchmarks latency|quality|training|stream|soak [...] -o DIR`."""

import logging
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from ship_deploy import console
from ship_deploy.errors import UserError
from ship_deploy.fuser import BUNDLED_MODEL

SIZES = ["256x320", "480x640"]
STREAM_SIZES = ["480x640", "1080x1920"]
PRECISIONS = ["32-true", "bf16-mixed"]
METHODS = ["baselines", f"bundled={BUNDLED_MODEL}"]
CHECKPOINT = Path(__file__).parents[1] / "configs" / "ship.safetensors"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=console.EPILOG,
)


@app.callback()
def describe() -> None:
    """Measure what ship-deploy does, and write down what was measured and where."""


@app.command()
def latency(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for JSON and Markdown")],
    checkpoint: Annotated[Path, typer.Argument(help="the shipped one if not given")] = CHECKPOINT,
    size: Annotated[list[str], typer.Option(help="HEIGHTxWIDTH; may be given again")] = SIZES,
    rounds: Annotated[int, typer.Option(min=1, help="counted runs of each candidate")] = 7,
) -> None:
    """Time one frame in ONNX Runtime on the CPU, against the reference network in PyTorch."""
    sizes = [_size(text) for text in size]
    with Console(stderr=True).status("Exporting and timing; leave the machine alone"):
        from benchmarks.latency import run

        table = run(checkpoint, output, sizes, rounds)
    Console().print(Markdown(table))


@app.command()
def quality(
    data: Annotated[
        list[str], typer.Argument(metavar="[NAME=]DATA...", help="folders with visible/, infrared/")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for all that is written")],
    methods: Annotated[
        list[str],
        typer.Option(
            "--methods",
            "-m",
            metavar="[NAME=]METHOD",
            help="a baseline, 'baselines', a model (.onnx, .safetensors, .pth), or a folder of "
            "pictures named like the sources; may be given again",
        ),
    ] = METHODS,
    convention: Annotated[
        str, typer.Option(help="of the metrics: cddfuse, as most published tables, or paper")
    ] = "cddfuse",
    gallery_by: Annotated[str, typer.Option(help="the metric that orders the gallery")] = "Qabf",
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes; as many as cores if not given")
    ] = None,
) -> None:
    """Score fused pictures: methods x metrics, with a plot and a gallery. Goes on where it was."""
    with Console(stderr=True).status("Importing torch and ONNX"):
        from benchmarks import quality
        from training.metrics import CONVENTIONS, METRICS
    for given, known in ((convention, CONVENTIONS), (gallery_by, METRICS)):
        if given not in known:
            raise typer.BadParameter(f"{given!r} is none of {', '.join(known)}")
    Console().print(Markdown(quality.run(data, methods, output, convention, gallery_by, workers)))


@app.command()
def training(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for JSON and Markdown")],
    precision: Annotated[
        list[str], typer.Option(help="of our loop; may be given again")
    ] = PRECISIONS,
    crop: Annotated[int, typer.Option(min=16, help="pixels, square")] = 128,
    batch: Annotated[int, typer.Option(min=1, help="crops of one step")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="counted steps of each loop")] = 20,
) -> None:
    """Time the steps of the training loop, against a plain loop in eager PyTorch."""
    from benchmarks.training_speed import run

    Console().print(Markdown(run(output, precision, crop, batch, rounds)))


@app.command()
def stream(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for JSON and Markdown")],
    size: Annotated[
        list[str], typer.Option(help="HEIGHTxWIDTH; may be given again")
    ] = STREAM_SIZES,
    frames: Annotated[int, typer.Option(min=10, help="counted frames of each size")] = 600,
) -> None:
    """Time what the pipeline adds to the network's time, at 30 Hz, and how fast it can go."""
    from benchmarks import stream

    sizes = [_size(text) for text in size]
    with Console(stderr=True).status("Streaming; leave the machine alone"):
        table = stream.run(output, sizes, frames)
    Console().print(Markdown(table))


@app.command()
def soak(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for JSON and Markdown")],
    frames: Annotated[int, typer.Option(min=1000, help="results")] = 100_000,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of visible frames")] = "480x640",
) -> None:
    """Stream for long, and fail if memory grows or a frame is unaccounted for."""
    from benchmarks import soak

    logging.getLogger("ship_deploy.streams").setLevel(logging.ERROR)  # it tells of every cut
    with Console(stderr=True).status("Soaking"):
        table = soak.run(output, frames, *_size(size))
    Console().print(Markdown(table))


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise UserError(f"size is {text!r}, expected HEIGHTxWIDTH, such as 480x640")
    return int(found[1]), int(found[2])


if __name__ == "__main__":
    console.run(app)
