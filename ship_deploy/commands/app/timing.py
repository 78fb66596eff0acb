"""The commands of `ship-deploy bench`."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ship_deploy.commands.app.options import Backend, Device


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
