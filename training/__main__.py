"""`python -m training CONFIG.yaml [section.key=value ...]` and `python -m training saliency`.

Also `python -m training --opt OPTIONS.yml`, for option files of SHIP's authors.
"""

import shlex
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
from typer.core import TyperGroup

from ship_deploy import console
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from training.config import load_config
from training.parallel import in_order, is_first_process
from training.saliency import mask


class TrainByDefault(TyperGroup):
    """A first argument that is no command is a config to train, or `--opt` ahead of options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `train` in front where it was left out."""
        config = args and args[0] not in self.commands and not args[0].startswith("-")
        if config or (args and args[0].startswith("--opt")):
            args = ["train", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=TrainByDefault,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills paragraphs
    epilog=console.EPILOG,
)


@app.command()
def train(
    path: Annotated[
        Path | None, typer.Argument(metavar="CONFIG.yaml", help="Config of the run.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="section.key=value", help="Settings that replace the config's."),
    ] = None,
    opt: Annotated[
        Path | None,
        typer.Option(
            metavar="OPTIONS.yml",
            help="Option file of SHIP's or FISCNet's authors, in place of a config.",
        ),
    ] = None,
) -> None:
    """Train a network. The word train may be left out."""
    if opt is not None:
        from training.options import load_options

        config, lines = load_options(opt, [*([str(path)] if path else []), *(overrides or [])])
        for line in lines if is_first_process() else ():
            console.ERR.print(line)
    elif path is not None:
        config = load_config(path, overrides or [])
    else:
        raise typer.BadParameter("expected CONFIG.yaml, or --opt OPTIONS.yml")
    from training.loop import train as run  # after the config: lightning takes seconds

    weights = run(config)
    if is_first_process():
        name, made = shlex.quote(config.run.name), shlex.quote(str(weights))
        console.ERR.print(f"next: python -m export {made} -o models --name {name}")
        print(weights)


@app.command(name="config")
def settings(
    network: Annotated[
        str, typer.Argument(help="Network whose settings to show: compact, fiscnet or ship.")
    ] = "compact",
) -> None:
    """Print a config with every key, its default and its meaning."""
    from training.manual import render

    print(render(network), end="")


@app.command()
def mix(
    first: Annotated[Path, typer.Argument(metavar="FIRST.safetensors", help="Weights of the run.")],
    second: Annotated[
        Path, typer.Argument(metavar="SECOND.safetensors", help="Weights that were trained on.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write.")],
    share: Annotated[float, typer.Option(help="Share of the second one, 0 to 1.")] = 0.5,
) -> None:
    """Average the weights of a run and of another that continued from it."""
    from training import checkpoints

    checkpoints.mix(first, second, share, output)
    print(output)


@app.command()
def saliency(
    images: Annotated[Path, typer.Argument(help="Folder of visible images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the maps to.")],
) -> None:
    """Write the saliency map of every image as a PNG of the same name."""
    from training.data import find_images, read_grey

    found = find_images(images)
    if not found:
        raise UserError(f"{images}: no images in this folder")
    for paths in found.values():
        if len(paths) > 1:
            raise UserError(f"{paths[0]} and {paths[1]}: two images with the same name")
    make_folder(output)

    def encode(paths: list[Path]) -> bytes:  # what takes longest, so in the threads too
        png: bytes = cv2.imencode(".png", mask(read_grey(paths[0])))[1].tobytes()
        return png

    for name, png in zip(found, in_order(encode, [*found.values()], "Saliency"), strict=True):
        write_atomically(output / f"{name}.png", png)


if __name__ == "__main__":
    console.run(app)
