"""`python -m export.golden`: writes what ship-s makes of a few frames, in FP64, for its tests.

To be run after new weights, and looked into when nothing but the arithmetic was to change.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from export.verify import Reference, scenes
from ship_deploy import console
from training.checkpoints import digest, load_network

ROOT = Path(__file__).parents[1]
CHECKPOINT = ROOT / "configs" / "ship-s.safetensors"
GOLDEN = ROOT / "tests" / "export" / "ship-s.npz"
SIZES = ((48, 64), (45, 77))  # height, width: whole blocks of neither, odd the second

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, epilog=console.EPILOG)


@app.command()
def golden(
    checkpoint: Annotated[Path, typer.Option(help="of ship-s")] = CHECKPOINT,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write")] = GOLDEN,
) -> None:
    """Fuse rendered frames in FP64 and keep them with the result, for the tests to compare with."""
    reference = Reference(load_network(checkpoint))
    arrays: dict[str, Any] = {"checkpoint": np.array(digest(checkpoint))}
    for number, (visible, infrared) in enumerate(scenes(SIZES)):
        expected = reference(visible, infrared)
        arrays[f"visible{number}"], arrays[f"infrared{number}"] = visible, infrared
        arrays[f"frames{number}"] = expected.frames
        arrays[f"luminance{number}"] = expected.luminance.astype(np.float32)
    np.savez_compressed(output, **arrays)


if __name__ == "__main__":
    console.run(app)
