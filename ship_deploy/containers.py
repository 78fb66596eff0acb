"""What JPEG, PNG and TIFF files say of themselves, before their pixels are decoded."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # in a scan: not stuffed, not a restart
_SCAN, _END, _ALONE = 0xDA, 0xD9, {0x01, *range(0xD0, 0xD9)}
_SUBFILE, _BITS, _PHOTOMETRIC, _BANDS, _FORM = 254, 258, 262, 277, 339  # tags of TIFF
MOST_PAGES = 10_000  # more is a loop


class Tiff(NamedTuple):
    """A TIFF file.

    Attributes:
        pages: images in it, without reduced copies.
        bands: samples per pixel of the first page.
        bits: per sample.
        floats: whether samples are floating-point numbers.
        white_is_zero: whether small values are bright.
    """

    pages: int
    bands: int
    bits: int
    floats: bool
    white_is_zero: bool


def cut_short(content: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end, which some decoders fill with grey.

    What follows the end, such as a second picture or a camera's own data, does not count.
    """
    if content.startswith(b"\xff\xd8"):
        return not any(marker == _END for marker, _ in segments(content))
    if content.startswith(b"\x89PNG"):
        position = 8
        while (chunk := content[position : position + 8])[4:] != b"IEND":
            if len(chunk) < 8:
                return True
            position += 12 + int.from_bytes(chunk[:4], "big")
        return position + 12 > len(content)
    return False


def is_radiometric(content: bytes) -> bool:
    """Whether a JPEG is FLIR's, with the counts beside a picture made for people to look at."""
    return content.startswith(b"\xff\xd8") and any(
        marker == 0xE1 and body.startswith(b"FLIR\0") for marker, body in segments(content)
    )


def segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """A JPEG's markers and the start of what belongs to each, up to its end or its cut."""
    position = 2
    while found := _MARKER.search(content, position):
        marker, position = content[found.end() - 1], found.end()
        body = content[position + 2 : position + 2 + 8]
        yield marker, body
        if marker == _END:
            return
        if marker not in _ALONE:
            position += int.from_bytes(content[position : position + 2], "big")


def read_tiff(content: bytes) -> Tiff | None:
    """The directory of a TIFF or BigTIFF; None if it is none, or damaged."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    try:
        if order is None or (version := struct.unpack_from(f"{order}H", content, 2)[0]) not in (
            42,
            43,
        ):
            return None
        return _read_tiff(content, order, version == 43)
    except struct.error:
        return None


def _read_tiff(content: bytes, order: str, big: bool) -> Tiff:
    word, count = ("Q", "Q") if big else ("I", "H")
    (place,) = struct.unpack_from(order + word, content, 8 if big else 4)
    pages: list[dict[int, int]] = []
    while place and len(pages) < MOST_PAGES:
        (entries,) = struct.unpack_from(order + count, content, place)
        place += struct.calcsize(count)
        tags = {}
        for _ in range(entries):
            tag, kind, number = struct.unpack_from(f"{order}HH{word}", content, place)
            at = place + 4 + struct.calcsize(word)
            form = {3: "H", 4: "I", 16: "Q"}.get(kind)
            if form:
                if number * struct.calcsize(form) > struct.calcsize(word):
                    (at,) = struct.unpack_from(order + word, content, at)
                (tags[tag],) = struct.unpack_from(order + form, content, at)
            place += 4 + 2 * struct.calcsize(word)
        pages.append(tags)
        (place,) = struct.unpack_from(order + word, content, place)
    first = pages[0] if pages else {}
    return Tiff(
        pages=sum(not tags.get(_SUBFILE, 0) & 1 for tags in pages),
        bands=first.get(_BANDS, 1),
        bits=first.get(_BITS, 1),
        floats=first.get(_FORM, 1) == 3,
        white_is_zero=first.get(_PHOTOMETRIC) == 0,
    )
