"""A page to look at fused pictures on: one HTML file that needs nothing else."""

import base64
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from ship_deploy.fuser import Fuser

JPEG_QUALITY = 92
_JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),  # sharp lamps
    *(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
)


class Panel(NamedTuple):
    """One scene; the pictures are uint8 and of one size, (H, W) or (H, W, 3) in BGR."""

    name: str
    visible: NDArray[np.uint8]
    infrared: NDArray[np.uint8]
    fused: NDArray[np.uint8]
    note: str = ""


def write_report(
    path: Path,
    pairs: Iterable[Panel],
    info: Mapping[str, str],
    title: str,
    *,
    above: str = "",
    below: str = "",
) -> None:
    """Write the page, or nothing.

    Pictures are encoded as they come, so an iterator needs memory for one pair and the page.

    Args:
        path: the page, `.html`.
        pairs: what to show, in order.
        info: what made the pictures (model, backend, device, precision, ...), in order.
        title: the heading.
        above: HTML to stand before the pairs.
        below: HTML to stand after them.

    Raises:
        UserError: the file cannot be written, or a picture cannot be encoded.
    """
    page = files("ship_deploy").joinpath("report.html").read_text("utf-8")
    head, card, tail = (Template(part) for part in page.split("<!-- card -->\n"))
    cards = [_card(card, pair) for pair in pairs]
    rows = (f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in info.items())
    content = [
        head.substitute(title=escape(title), info="\n".join(rows), above=above),
        *cards,
        tail.substitute(quality=JPEG_QUALITY, below=below),
    ]
    # A file name need not be Unicode; what cannot be said in UTF-8 becomes a question mark.
    write_atomically(path, "".join(content).encode("utf-8", "replace"))


def summary(fuser: Fuser) -> dict[str, str]:
    """What made the pictures, short enough for the head of a page."""
    info = fuser.info
    return {**info.as_dict(), "model": Path(info.model).name, "digest": info.digest[:12]}


def _card(template: Template, pair: Panel) -> str:
    height, width = pair.fused.shape[:2]
    return template.substitute(
        name=escape(pair.name),
        note=escape(pair.note),
        width=width,
        height=height,
        visible=show(pair.visible, pair.name),
        infrared=show(pair.infrared, pair.name),
        fused=show(pair.fused, pair.name),
    )


def show(picture: NDArray[np.uint8], name: str) -> str:
    """A picture as an address that holds all of it; the name is for messages."""
    encoded, content = cv2.imencode(".jpg", picture, _JPEG)
    if not encoded:
        raise UserError(f"{name}: a picture of shape {picture.shape} cannot be encoded")
    return data_uri("image/jpeg", content.tobytes())


def data_uri(kind: str, content: bytes) -> str:
    """A file as an address that holds all of it."""
    return f"data:{kind};base64," + base64.b64encode(content).decode("ascii")
