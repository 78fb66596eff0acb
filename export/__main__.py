"""`python -m export CHECKPOINT -o DIR`: a checkpoint becomes verified ONNX models."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ship_deploy import console

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, epilog=console.EPILOG)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help=".safetensors, or the authors' .pth")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the models")],
    height: Annotated[int | None, typer.Option(help="fix the height; any if not given")] = None,
    width: Annotated[int | None, typer.Option(help="fix the width; any if not given")] = None,
) -> None:
    """Export a checkpoint to ONNX and verify the result against the reference network.

    Writes NAME.onnx (8-bit frames in, 8-bit frames out) and NAME.luminance.onnx (floats, for
    verification). Writes nothing if either is out of tolerance.
    """
    if (height is None) != (width is None):
        raise typer.BadParameter("give both --height and --width, or neither")
    size = None if height is None or width is None else (height, width)
    steps = Console(stderr=True, highlight=False)
    with steps.status("Importing torch and ONNX"):
        from export.models import export_models

    models = export_models(checkpoint, output, size, steps.print)
    table = Table(title=f"{checkpoint} -> {output}", title_justify="left")
    for heading in ("model", "MB", "precision", "size", "raw error", "8-bit frames off"):
        table.add_column(heading, overflow="fold")
    for model in models:
        f = model.fidelity
        table.add_row(
            model.path.name,
            f"{model.path.stat().st_size / 1e6:.2f}",
            model.precision,
            "any" if size is None else f"{height}x{width}",
            f"{f.raw_error:.1e}",
            f"{f.share:.4%} by {f.levels}",
        )
    Console(highlight=False).print(table)


if __name__ == "__main__":
    console.run(app)
