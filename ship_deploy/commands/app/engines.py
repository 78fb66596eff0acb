"""Commands for models and engines, and for what this machine makes of them."""

from pathlib import Path
from typing import Annotated

import typer

from ship_deploy.commands.app.options import SignedBy

cache = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="List or clear the engines that were built on first use.",
)


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


def doctor() -> None:
    """Show what this machine can run, and how to install what is missing."""
    from ship_deploy.commands.doctor import examine

    examine()
