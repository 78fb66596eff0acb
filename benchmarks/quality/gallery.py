"""The best, the median and the worst picture of every method, on one page without other files."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import cv2
import numpy as np

from benchmarks.pairs import PERCENTILES
from ship_deploy.frames import Frames, stretch
from ship_deploy.images import FilePair, read_infrared, read_visible

THUMBNAIL = 240  # pixels wide, for the sources
PAGE = Path(__file__).with_name("gallery.html")


def page(
    record: dict[str, Any],
    pairs: Mapping[str, Sequence[FilePair]],
    output: Path,
    by: str,
) -> bytes:
    """The page.

    Args:
        record: what `quality.json` holds.
        pairs: the source files of each data set.
        output: holds the fused pictures, pictures/DATA/METHOD/NAME.png.
        by: the metric that says what is best.
    """
    head, row, card, tail = (Template(p) for p in PAGE.read_text("utf-8").split("<!-- part -->\n"))
    about = record["metrics"][by]
    order = "higher" if about["higher_is_better"] else "lower"
    parts = [head.substitute(by=escape(by), order=order, convention=record["convention"])]
    for method, source in record["methods"].items():
        parts.append(row.substitute(method=escape(method), source=escape(source)))
        for data, measured in record["data"].items():
            files = {pair.name: pair for pair in pairs[data]}
            for place, image in _choose(measured, method, by, about["higher_is_better"]):
                picture = read_visible(output / "pictures" / data / method / f"{image}.png")
                infrared = stretch(read_infrared(files[image].infrared), PERCENTILES)
                scores = measured["scores"][method]
                index = measured["images"].index(image)
                parts.append(
                    card.substitute(
                        place=place,
                        title=escape(f"{data} {image}"),
                        score=f"{by} {scores[by][index]:.4g}",
                        all=escape("\n".join(_lines(scores, index))),
                        width=picture.shape[1],
                        height=picture.shape[0],
                        fused=_data_uri(picture),
                        visible=_data_uri(_thumbnail(read_visible(files[image].visible))),
                        infrared=_data_uri(_thumbnail(infrared)),
                    )
                )
    return "".join([*parts, tail.substitute()]).encode("utf-8", "replace")


def _choose(measured: dict[str, Any], method: str, by: str, higher: bool) -> list[tuple[str, str]]:
    """Best, median and worst image by a metric; fewer where there are fewer images."""
    scored = zip(measured["scores"][method][by], measured["images"], strict=True)
    ranked = sorted((s for s in scored if s[0] is not None), reverse=higher)
    if not ranked:
        return []
    places = {"best": 0, "median": (len(ranked) - 1) // 2, "worst": len(ranked) - 1}
    return [(place, ranked[index][1]) for place, index in places.items()]


def _lines(scores: Mapping[str, Sequence[float | None]], index: int) -> list[str]:
    values = {metric: found[index] for metric, found in scores.items()}
    return [f"{metric} {'n/a' if v is None else f'{v:.4g}'}" for metric, v in values.items()]


def _thumbnail(image: Frames) -> Frames:
    height = round(THUMBNAIL * image.shape[0] / image.shape[1])
    small = cv2.resize(image, (THUMBNAIL, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _data_uri(image: Frames) -> str:
    _, content = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 88))
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode("ascii")
