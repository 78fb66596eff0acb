"""`python -m benchmarks latency|quality|panels|training [...] -o DIR`, and `card`."""

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
def panels(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for panels.jpg")],
    data: Annotated[
        list[str] | None,
        typer.Argument(metavar="[[NAME=]DATA...]", help="as for quality; drawn streets if none"),
    ] = None,
    methods: Annotated[
        list[str], typer.Option("--methods", "-m", metavar="[NAME=]METHOD", help="as for quality")
    ] = METHODS[1:],
    crops: Annotated[int, typer.Option(min=1)] = 10,
) -> None:
    """Draw crops around the strongest edges, enlarged, beside their sources: beads show there."""
    with Console(stderr=True).status("Fusing"):
        from benchmarks.panels import run

        run(data or [], methods, output, crops)


@app.command()
def card(
    figures: Annotated[
        Path, typer.Argument(help="quality.json, with methods 'authors', 'bundled'")
    ],
    checkpoint: Annotated[Path, typer.Argument(help="the shipped one if not given")] = CHECKPOINT,
) -> None:
    """Write recipe, digests and figures of the bundled model into its model card."""
    from benchmarks.card import CARD, update
    from ship_deploy.files import write_atomically

    write_atomically(CARD, update(CARD.read_text("utf-8"), figures, checkpoint).encode())


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


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise UserError(f"size is {text!r}, expected HEIGHTxWIDTH, such as 480x640")
    return int(found[1]), int(found[2])


if __name__ == "__main__":
    console.run(app)
