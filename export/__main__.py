"""`python -m export CHECKPOINT -o DIR`: a checkpoint becomes verified ONNX models.

`python -m export --triton REPOSITORY` writes models for a Triton server.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ship_deploy import console
from ship_deploy.console import ERR, OUT

if TYPE_CHECKING:
    from export.models import Model

DEFAULT = ["fp32"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills paragraphs
    epilog=console.EPILOG,
)


@app.command()
def export(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CHECKPOINT",
            help="Checkpoint: .safetensors, or a published .pth. With --triton: bundled models, "
            "models or engines (default: all bundled models).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write the models to.")
    ] = None,
    height: Annotated[int | None, typer.Option(help="Height to fix (default: any).")] = None,
    width: Annotated[int | None, typer.Option(help="Width to fix (default: any).")] = None,
    precision: Annotated[
        list[str], typer.Option(help="Precision: fp32 or fp16; may be repeated.")
    ] = DEFAULT,
    name: Annotated[
        str | None, typer.Option(help="Name of the models (default: the checkpoint's).")
    ] = None,
    engine: Annotated[
        bool, typer.Option("--engine", help="Also build a TensorRT engine from each model.")
    ] = False,
    triton: Annotated[
        Path | None,
        typer.Option(
            metavar="REPOSITORY", help="Model repository of a Triton server to write models to."
        ),
    ] = None,
    python: Annotated[
        bool,
        typer.Option("--python", help="With --triton: for its Python backend, as NAME-python."),
    ] = False,
    batch: Annotated[
        int | None,
        typer.Option(
            help="With --triton: the most frames that the server computes together (default: 8; "
            "of an engine, as many as it takes)."
        ),
    ] = None,
    instances: Annotated[
        int | None,
        typer.Option(help="With --triton: copies of a model at work at a time (default: 1)."),
    ] = None,
) -> None:
    """Export a checkpoint to ONNX and verify the result against the reference network.

    Writes NAME.onnx (8-bit frames in, 8-bit frames out) and NAME.luminance.onnx (floats, for
    verification); models in FP16 are called NAME.fp16. If one is out of tolerance, nothing is
    written. With --engine, NAME.engine is built with the defaults of ship-deploy build.

    With --triton, models become a model repository: ONNX models for Triton's ONNX Runtime backend,
    engines for its TensorRT backend. A model that changed becomes its next version.
    """
    if triton is not None:
        if output or height or width or engine or precision != DEFAULT:
            raise typer.BadParameter("--triton takes models as they are: export them before")
        from export.triton import write_repository

        for folder in write_repository(
            triton, source or (), python=python, batch=batch, instances=instances
        ):
            print(folder)
        return
    if python or batch is not None or instances is not None:
        raise typer.BadParameter("--python, --batch and --instances go with --triton")
    if not source or len(source) > 1:
        raise typer.BadParameter("expected one checkpoint")
    if output is None:
        raise typer.BadParameter("missing option --output / -o")
    checkpoint = Path(source[0])
    if (height is None) != (width is None):
        raise typer.BadParameter("give both --height and --width, or neither")
    size = None if height is None or width is None else (height, width)
    with ERR.status("Importing torch and ONNX"):
        from export.build import Graph
        from export.models import export_models
        from export.precision import Precision
        from ship_deploy.commands.build import build_file
        from ship_deploy.engines.flavour import load

    if unknown := set(precision) - {p.value for p in Precision}:
        raise typer.BadParameter(f"unknown precision {min(unknown)}, expected fp32 or fp16")
    precisions = [p for p in Precision if p.value in precision]
    if engine:
        load()  # rather fail now than after the export
    models = export_models(checkpoint, output, size, precisions, ERR.print, name)
    OUT.print(_table(models))
    for model in models if engine else ():
        if model.graph is Graph.FRAMES:
            build_file(model.path, model.path.with_suffix(".engine"))


def _table(models: "list[Model]") -> Table:
    """What was written, and how far it is from the reference network; 80 columns are enough."""
    table = Table(
        caption="off: share of the 8-bit samples that differ; > 1: by more than one level",
        caption_justify="left",
    )
    table.add_column("model", overflow="fold")  # a long name goes on in the next line
    for heading in ("MB", "PSNR", "raw error", "off", "off > 1"):
        table.add_column(heading, no_wrap=True, justify="right")
    for model in models:
        f = model.fidelity
        table.add_row(
            model.path.name,
            f"{model.path.stat().st_size / 1e6:.2f}",
            f"{f.psnr:.0f} dB",
            f"{f.raw_error:.1e}",
            f"{f.off:.3%}",
            f"{f.far_off:.3%}",
        )
    return table


if __name__ == "__main__":
    console.run(app)
