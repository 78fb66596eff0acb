"""`python -m export.demo -o DIR`: the main job on sample pairs, and a page to look at them."""

import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import typer

from export.film import Film, shoot
from ship_deploy import Fuser, console
from ship_deploy.commands.models import HEADINGS, row
from ship_deploy.console import ERR
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import Frames
from ship_deploy.images import find_pairs, read_infrared, read_visible, write_jpeg, write_png
from ship_deploy.models import CATALOGUE, WHY
from ship_deploy.report import Panel, data_uri, show, summary, write_report
from training.data_folder import data_folder
from training.scenes import render

SCENES = 4
SHOWN = 2  # of them in overview.jpg
REAL = ("roadscene/test", "tno/test", "m3svd/train")  # in the data folder
EACH = 2  # pairs from each of them

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fills paragraphs
    epilog=console.EPILOG,
)


class Sample(NamedTuple):
    """A pair of frames and where it is from."""

    name: str
    visible: Frames
    infrared: Frames
    origin: str


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write the pictures and the page to.")
    ],
) -> None:
    """Fuse rendered night streets with the default model, live and still, and show them on a page.

    If the environment variable SHIP_DEPLOY_DATA names a folder with data/roadscene/test,
    data/tno/test and data/m3svd/train, each with visible/ and infrared/, a few of their pairs are
    fused too.
    """
    make_folder(output)
    fuser = Fuser(device="cpu")
    ERR.print("Draw    a street in which people walk, and fuse it live")
    film = shoot(fuser)
    write_atomically(output / "live.webp", film.webp)
    panels = list(_fuse(fuser, _rendered(), output / "rendered"))
    if folder := data_folder():
        panels += _fuse(fuser, _real(folder / "data"), output / "real")
    write_jpeg(output / "overview.jpg", _overview(panels[:SHOWN]))
    page = output / "index.html"
    above, below = frame(film)
    title = "ship-deploy: infrared and visible, fused"
    write_report(page, panels, summary(fuser), title, above=above, below=below)
    ERR.print(f"Look at {page.resolve().as_uri()}")
    print(page)


def frame(film: Film) -> tuple[str, str]:
    """What stands above and below the pairs: the film, and the table of bundled models."""
    page = Path(__file__).with_suffix(".html").read_text("utf-8")
    above, below = (Template(part) for part in page.split("<!-- pairs -->\n"))
    height, width = film.still.shape[:2]
    return above.substitute(
        film=data_uri("image/webp", film.webp),
        still=show(film.still, "live"),
        note=escape(film.note),
        width=width,
        height=height,
    ), below.substitute(
        headings=_cells("th", HEADINGS),
        rows="\n".join(f"<tr>{_cells('td', row(model))}</tr>" for model in CATALOGUE.values()),
        remarks="\n".join(f"<p>{remark}</p>" for remark in _remarks()),
    )


def _cells(tag: str, texts: tuple[str, ...]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _remarks() -> Iterator[str]:
    yield f"The default is {next(iter(CATALOGUE))}: {escape(WHY)}."
    for model in CATALOGUE.values():
        measured = [known.measured for known in (model.speed, model.kept) if known]
        conditions = f" Measured: {'; '.join(measured)}." if measured else ""
        yield f"<b>{escape(model.name)}</b> {escape(f'{model.purpose}.{conditions}')}"


def _overview(panels: list[Panel]) -> Frames:
    """Visible, infrared and fused side by side, a row for each scene."""
    rows = [
        np.hstack([p.visible, cv2.cvtColor(p.infrared, cv2.COLOR_GRAY2BGR), p.fused])
        for p in panels
    ]
    return np.vstack(rows)


def _rendered() -> Iterator[Sample]:
    for seed in range(SCENES):
        yield Sample(f"street_{seed}", *render(seed), "rendered night street")


def _real(data: Path) -> Iterator[Sample]:
    for source in REAL:
        folder = data / source
        for pair in find_pairs(folder / "visible", folder / "infrared")[:EACH]:
            frames = read_visible(pair.visible), read_infrared(pair.infrared)
            yield Sample(pair.name, *frames, source)


def _fuse(fuser: Fuser, samples: Iterator[Sample], folder: Path) -> Iterator[Panel]:
    """Fuse, write what went in and what came out, and keep both for the page."""
    for name in ("visible", "infrared", "fused"):
        make_folder(folder / name)
    for sample in samples:
        start = time.perf_counter()
        fused = fuser(sample.visible, sample.infrared)
        height, width = sample.infrared.shape
        size = f"{width}x{height}, {time.perf_counter() - start:.2f} s"
        ERR.print(f"Fuse    {sample.name}, {size}")
        pictures = {"visible": sample.visible, "infrared": sample.infrared, "fused": fused}
        for kind, picture in pictures.items():
            write_png(folder / kind / f"{sample.name}.png", picture)
        yield Panel(sample.name, **pictures, note=f"{sample.origin}, {size}")


if __name__ == "__main__":
    console.run(app)
