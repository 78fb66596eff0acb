"""What image files say of themselves, before their pixels are decoded."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # in a scan: not stuffed, not a restart
_SCAN, _END, _ALONE = 0xDA, 0xD9, {0x01, *range(0xD0, 0xD9)}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # their segments hold the picture's size
_SUBFILE, _BITS, _PHOTOMETRIC, _BANDS, _FORM = 254, 258, 262, 277, 339  # tags of TIFF
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
# Width and height of Netpbm's pictures, after comments, which end with the line.
_NETPBM = re.compile(rb"P[1-6](?:\s+|#[^\n]*\n)+(\d{1,9})(?:\s+|#[^\n]*\n)+(\d{1,9})\s")
# Types of whole numbers in a TIFF, as struct calls them.
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
MOST_ENTRIES = 1_000_000  # of all pages of a TIFF; more is a loop


class Picture(NamedTuple):
    """What it takes to decode an image file.

    Attributes:
        height: pixels; of a TIFF in tiles, of a tile if that is larger.
        width: the same.
        scans: times that a decoder goes over all of it; only progressive JPEGs have many.
    """

    height: int
    width: int
    scans: int = 1


class Tiff(NamedTuple):
    """A TIFF file.

    Attributes:
        pages: images in it, without reduced copies.
        bands: samples per pixel of the first page.
        size: height and width of the first page; or of a tile of it, if that is larger.
        bits: per sample.
        floats: whether samples are floating-point numbers.
        white_is_zero: whether small values are bright.
    """

    pages: int
    size: tuple[int, int]
    bands: int
    bits: int
    floats: bool
    white_is_zero: bool


def read_picture(content: bytes) -> Picture | None:
    """The size of a PNG, JPEG, BMP, TIFF, WebP or Netpbm picture, by its header alone.

    None if it is none of these, or its header is damaged.
    """
    if content.startswith(b"\xff\xd8"):
        return _read_jpeg(content)
    if (tiff := read_tiff(content)) and min(tiff.size) > 0:
        return Picture(*tiff.size)
    if found := _NETPBM.match(content[:4096]):
        return Picture(int(found[2]), int(found[1]))
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", content, 16)
        elif content.startswith(b"BM"):
            old = struct.unpack_from("<I", content, 14)[0] == 12
            width, height = struct.unpack_from("<HH" if old else "<ii", content, 18)
        elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            width, height = _webp_size(content)
        else:
            return None
    except struct.error:
        return None
    return Picture(abs(height), abs(width))


def _read_jpeg(content: bytes) -> Picture | None:
    scans, sizes = 0, list[tuple[int, int]]()
    for marker, body in segments(content):
        scans += marker == _SCAN
        if marker in _FRAMES and len(body) >= 5:
            sizes.append(struct.unpack_from(">HH", body, 1))
    if not sizes:
        return None
    height, width = max(sizes, key=lambda size: size[0] * size[1])
    return Picture(height, width, scans)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Width and height; struct.error if they are not there."""
    if (kind := content[12:16]) == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", content, 21)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        low, high, under, over = struct.unpack_from("<HBHB", content, 24)
        return (high << 16 | low) + 1, (over << 16 | under) + 1
    raise struct.error


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
        # Its end has a length, too, and a decoder makes room for what it says.
        return position + 12 + int.from_bytes(chunk[:4], "big") > len(content)
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
    except (struct.error, OverflowError):  # the one or the other where a place is far outside
        return None


def _read_tiff(content: bytes, order: str, big: bool) -> Tiff:
    word, count = ("Q", "Q") if big else ("I", "H")
    (place,) = struct.unpack_from(order + word, content, 8 if big else 4)
    pages: list[dict[int, int]] = []
    total = 0
    while place:
        (entries,) = struct.unpack_from(order + count, content, place)
        total += entries + 1
        if total > MOST_ENTRIES:
            raise struct.error("pages in a loop")
        place += struct.calcsize(count)
        tags = {}
        for _ in range(entries):
            tag, kind, number = struct.unpack_from(f"{order}HH{word}", content, place)
            at = place + 4 + struct.calcsize(word)
            form = _NUMBERS.get(kind)
            if form and tag not in tags:  # libtiff takes the first, too
                if number * struct.calcsize(form) > struct.calcsize(word):
                    (at,) = struct.unpack_from(order + word, content, at)
                (tags[tag],) = struct.unpack_from(order + form, content, at)
            place += 4 + 2 * struct.calcsize(word)
        pages.append(tags)
        (place,) = struct.unpack_from(order + word, content, place)
    first = pages[0] if pages else {}
    whole = first.get(_HEIGHT, 0), first.get(_WIDTH, 0)
    tile = first.get(_TILE_HEIGHT, 0), first.get(_TILE_WIDTH, 0)
    return Tiff(
        pages=sum(not tags.get(_SUBFILE, 0) & 1 for tags in pages),
        size=max(whole, tile, key=lambda size: size[0] * size[1]),
        bands=first.get(_BANDS, 1),
        bits=first.get(_BITS, 1),
        floats=first.get(_FORM, 1) == 3,
        white_is_zero=first.get(_PHOTOMETRIC) == 0,
    )
