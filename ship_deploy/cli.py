"""The `ship-deploy` command."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ship_deploy import __version__, console
from ship_deploy.backends import NAMES

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=console.EPILOG,
)

Backend = Annotated[str, typer.Option(help=f"auto, or one of: {', '.join(NAMES)}")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print it")
    ] = False,
) -> None:
    """Fuse infrared and visible images with SHIP."""


@app.command()
def fuse(
    visible: Annotated[Path, typer.Argument(help="image, or a folder of them (grey or colour)")],
    infrared: Annotated[Path, typer.Argument(help="aligned image or folder, 8 or 16 bits")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder, or a .png file")],
    model: Annotated[
        Path | None, typer.Option(help="model.onnx; if not given, the bundled one")
    ] = None,
    backend: Backend = "auto",
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="of the CPU; all cores if not given")] = None,
    percentiles: Annotated[
        tuple[float, float],
        typer.Option(help="of 16-bit or float infrared: these become black and white"),
    ] = (0.5, 99.5),
    report: Annotated[
        Path | None, typer.Option(help="write a page to compare the pictures on, page.html")
    ] = None,
) -> None:
    """Fuse two images, or two folders whose images have the same names."""
    from ship_deploy import fusing

    fusing.fuse_files(
        visible,
        infrared,
        output,
        report,
        model=model,
        backend=backend,
        device=device,
        threads=threads,
        percentiles=percentiles,
    )


@app.command()
def info(
    model: Annotated[Path, typer.Argument(help="model.onnx")],
) -> None:
    """Say in JSON what a model is, after checking that it is whole and unedited."""
    from ship_deploy.artifact import read_artifact

    artifact = read_artifact(model)
    metadata = {k: json.loads(v) if v[:1] in "{[" else v for k, v in artifact.metadata.items()}
    print(json.dumps({"path": str(model), "digest": artifact.digest, **metadata}, indent=2))


@app.command()
def doctor() -> None:
    """Say what this machine can run, and how to get what it can't."""
    from ship_deploy.doctor import examine

    examine()


def main() -> None:
    """Entry point of `ship-deploy`."""
    console.run(app)
