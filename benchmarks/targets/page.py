"""Every box on both sources and on the fused picture, worst first, on one page without others."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.pairs import read_pair
from benchmarks.targets.measures import LOST, Box
from benchmarks.targets.scores import Result
from benchmarks.targets.subjects import Subject
from ship_deploy.frames import Frames
from ship_deploy.images import read_visible

PAGE = Path(__file__).with_name("page.html")
AROUND = 1.0  # of the box's longer side, shown on each side of it
SIDE = 200  # pixels, the longer one of a crop on the page
MARK = (0, 165, 255)  # BGR, of a box's corners


class Entry(NamedTuple):
    """A box of one pair, its score and what is in it."""

    score: float
    subject: Subject
    box: Box
    name: str


def page(
    method: str, results: Iterable[Result], subjects: Sequence[Subject], pictures: Path
) -> bytes:
    """The page of one method: the targets of real pairs, then the regions of detail.

    Args:
        method: its name.
        results: of all methods.
        subjects: all pairs; rendered ones are not shown.
        pictures: the fused ones, DATA/METHOD/NAME.png.
    """
    head, section, card, tail = (
        Template(part) for part in PAGE.read_text("utf-8").split("<!-- part -->\n")
    )
    found = {(r.data, r.image): r for r in results if r.method == method}
    pairs = [s for s in subjects if s.pair and (s.data, s.name) in found]
    parts = [head.substitute(method=escape(method))]
    for title, kind in (("Targets", "targets"), ("Details", "details")):
        entries = sorted(_entries(pairs, found, kind), key=lambda entry: entry.score)
        lost = sum(entry.score < LOST for entry in entries)
        count = f"{len(entries)}, {lost} of them under {LOST}"
        parts.append(section.substitute(title=title, count=count))
        for entry in entries:
            parts.append(
                card.substitute(
                    title=escape(f"{entry.subject.name}, {entry.name}"),
                    score=f"{entry.score:.2f}",
                    verdict="lost" if entry.score < LOST else "kept",
                    **dict(zip("vif", _crops(entry, method, pictures), strict=True)),
                )
            )
    return "".join([*parts, tail.substitute()]).encode("utf-8", "replace")


def _entries(
    pairs: Sequence[Subject], found: dict[tuple[str, str], Result], kind: str
) -> Iterable[Entry]:
    for subject in pairs:
        regions = getattr(subject.regions, kind)
        scores = getattr(found[subject.data, subject.name], kind)
        for region, score in zip(regions, scores, strict=True):
            if score is not None:
                name = f"{region.kind}; {region.note}" if region.note else region.kind
                yield Entry(score, subject, region.box, name)


def _crops(entry: Entry, method: str, pictures: Path) -> list[str]:
    """The box and what is around it in visible, infrared and fused picture, as data URIs."""
    assert entry.subject.pair is not None
    fused = read_visible(pictures / entry.subject.data / method / f"{entry.subject.name}.png")
    x, y, width, height = entry.box
    margin = round(AROUND * max(width, height))
    top, left = max(y - margin, 0), max(x - margin, 0)
    place = slice(top, y + height + margin), slice(left, x + width + margin)
    uris = []
    for frame in (*read_pair(entry.subject.pair), fused):
        crop = frame[place]
        scale = SIDE / max(crop.shape[:2])
        flag = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        enlarged = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=flag)
        if enlarged.ndim == 2:
            enlarged = cv2.cvtColor(enlarged, cv2.COLOR_GRAY2BGR)
        corners = np.array([[x - left, y - top], [x - left + width, y - top + height]]) * scale
        uris.append(_data_uri(_marked(np.asarray(enlarged, np.uint8), corners.round().astype(int))))
    return uris


def _marked(crop: Frames, corners: np.ndarray) -> Frames:
    """The crop with the four corners of the box; all of the target stays to be seen."""
    (left, top), (right, bottom) = corners.tolist()
    reach = max(3, min(right - left, bottom - top) // 5)
    for x, inward in ((left, reach), (right, -reach)):
        for y, down in ((top, reach), (bottom, -reach)):
            cv2.line(crop, (x, y), (x + inward, y), MARK, 1)
            cv2.line(crop, (x, y), (x, y + down), MARK, 1)
    return crop


def _data_uri(image: Frames) -> str:
    _, content = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 85))
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode("ascii")
