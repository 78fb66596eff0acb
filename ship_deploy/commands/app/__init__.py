"""The `ship-deploy` command: what its commands take. What they do is in `ship_deploy.commands`."""

from typing import Annotated

import typer

from ship_deploy import console
from ship_deploy.artifact import VERSION
from ship_deploy.commands.app.cameras import calibrate, find, find_dead_pixels, stream
from ship_deploy.commands.app.engines import build, cache, doctor, info, models
from ship_deploy.commands.app.pictures import batch, fuse
from ship_deploy.commands.app.timing import bench

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills paragraphs
    epilog=console.EPILOG,
)
COMMANDS = (fuse, stream, batch, build, calibrate, find_dead_pixels, find, models, info, doctor)
for command in COMMANDS:
    app.command()(command)
app.add_typer(bench, name="bench")
app.add_typer(cache, name="cache")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def ship_deploy(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Fuse infrared and visible images."""


def main() -> None:
    """Entry point of `ship-deploy`."""
    console.run(app)
