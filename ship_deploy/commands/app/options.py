"""Options that several commands have."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ship_deploy.backends import NAMES
from ship_deploy.frames import PIXELS
from ship_deploy.models import CATALOGUE

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


def limit_pixels(max_pixels: int | None) -> None:
    """Of what is decoded from now on, here and in the processes that are started."""
    if max_pixels is not None:
        os.environ[PIXELS] = str(max_pixels)
