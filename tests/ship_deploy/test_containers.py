"""What is refused by its header, before anything is decoded."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.containers import Picture, read_picture, read_tiff
from ship_deploy.images import read_infrared, read_visible
from training.scenes import render

HUGE = 60_000  # pixels a side: 10.8 GB in colour
COLOUR = render(0, 40, 56)[0]
GREY = render(0, 40, 56)[1]
WITH_ALPHA = np.dstack([COLOUR, GREY])


def encode(suffix, image=COLOUR, *options):
    return cv2.imencode(suffix, image, options)[1].tobytes()


KINDS = {
    "png": (".png",),
    "grey png": (".png", GREY),
    "jpeg": (".jpg",),
    "progressive jpeg": (".jpg", COLOUR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "bmp": (".bmp",),
    "tiff": (".tif",),
    "16-bit tiff": (".tif", GREY.astype(np.uint16)),
    "lossy webp": (".webp", COLOUR, cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless webp": (".webp", COLOUR, cv2.IMWRITE_WEBP_QUALITY, 101),
    "webp with alpha": (".webp", WITH_ALPHA, cv2.IMWRITE_WEBP_QUALITY, 80),
    "ppm": (".ppm",),
    "ascii pgm": (".pgm", GREY, cv2.IMWRITE_PXM_BINARY, 0),
    "pbm": (".pbm", GREY),
}


@pytest.mark.parametrize("kind", KINDS)
def test_headers_say_what_the_decoder_finds(kind):
    content = encode(*KINDS[kind])
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    picture = read_picture(content)
    assert (picture.height, picture.width) == decoded.shape[:2] == (40, 56)
    assert picture.scans == (10 if kind == "progressive jpeg" else 1)


def test_an_old_bitmap_and_one_from_top_to_bottom():
    old = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 56, 40, 1, 24)
    assert read_picture(old) == Picture(40, 56)
    flipped = b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 56, -40, 1, 24)
    assert read_picture(flipped) == Picture(40, 56)


def test_comments_in_a_netpbm_header():
    assert read_picture(b"P5 # by hand\n# 9 9\n56\n#\n40 255\n") == Picture(40, 56)


def patched(content, place, form, *values):
    replaced = bytearray(content)
    struct.pack_into(form, replaced, place, *values)
    return bytes(replaced)


def bomb(kind):
    """A small file whose header says that it is HUGE, or nearly, where the format ends before."""
    content = encode(*KINDS[kind])
    if kind == "png":
        content = patched(content, 16, ">II", HUGE, HUGE)
        return patched(content, 29, ">I", zlib.crc32(content[12:29]))
    if kind.endswith("jpeg"):
        frame = content.index(b"\xff\xc2" if kind.startswith("prog") else b"\xff\xc0")
        return patched(content, frame + 5, ">HH", HUGE, HUGE)
    if kind == "bmp":
        return patched(content, 18, "<ii", HUGE, -HUGE)
    if kind == "lossy webp":
        return patched(content, 26, "<HH", 0x3FFF, 0x3FFF)
    if kind == "lossless webp":
        return patched(content, 21, "<I", (1 << 28) - 1)
    if kind == "webp with alpha":
        return patched(content, 24, "<IH", 0xFFFFFF, 0xFFFF)
    assert kind == "ppm"
    return f"P6\n{HUGE} {HUGE}\n255\n".encode() + bytes(100)


BOMBS = ["png", "jpeg", "progressive jpeg", "bmp", "lossy webp", "lossless webp"]
BOMBS += ["webp with alpha", "ppm"]


@pytest.fixture
def no_decoder(monkeypatch):
    def imdecode(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", imdecode)


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_by_their_header(tmp_path, no_decoder, kind):
    path = tmp_path / "bomb"
    path.write_bytes(bomb(kind))
    for read in (read_visible, read_infrared):
        with pytest.raises(UserError, match=r"bomb: the image has \d+x\d+ pixels, .*--max-pixels"):
            read(path)


def test_a_png_whose_end_says_that_it_has_4_gigabytes(tmp_path, no_decoder):
    content = encode(".png").replace(b"\0\0\0\0IEND", b"\xff\xff\xff\xffIEND")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match="truncated"):
        read_visible(tmp_path / "a.png")


def tiff(*entries):
    """A TIFF of one page without pixels; an entry is tag, type and value."""
    content = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        content += struct.pack("<HHII", tag, kind, 1, value)
    return content + bytes(4)


@pytest.mark.parametrize(
    "entries",
    [
        [(256, 4, HUGE), (257, 4, HUGE)],
        [(256, 9, HUGE), (257, 9, HUGE)],  # as signed numbers
        [(256, 4, HUGE), (257, 4, HUGE), (256, 4, 16)],  # a decoder takes the first
        [(256, 4, 64), (257, 4, 64), (322, 4, HUGE), (323, 4, HUGE)],  # in tiles
    ],
)
def test_tiffs_too(tmp_path, no_decoder, entries):
    (tmp_path / "bomb.tif").write_bytes(tiff(*entries))
    with pytest.raises(UserError, match="the image has 60000x60000 pixels"):
        read_infrared(tmp_path / "bomb.tif")


def test_a_tiff_whose_pages_go_in_a_circle_ends():
    entries = 60_000
    page = struct.pack("<H", entries) + struct.pack("<HHII", 256, 4, 1, 16) * entries
    assert read_tiff(b"II*\0\x08\0\0\0" + page + struct.pack("<I", 8)) is None


def test_a_bigtiff_whose_page_lies_beyond_all_addresses():
    assert read_tiff(b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**64 - 1)) is None


def test_a_jpeg_of_very_many_scans(tmp_path, no_decoder):
    content = encode(*KINDS["progressive jpeg"])
    scan = content.rindex(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(content[:-2] + content[scan:-2] * 200 + content[-2:])
    with pytest.raises(UserError, match="a JPEG of 210 scans"):
        read_visible(tmp_path / "a.jpg")


def test_the_limit_can_be_set(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encode(".png"))
    monkeypatch.setenv("SHIP_DEPLOY_MAX_PIXELS", str(40 * 56))
    assert read_visible(tmp_path / "a.png").shape == (40, 56, 3)
    monkeypatch.setenv("SHIP_DEPLOY_MAX_PIXELS", str(40 * 56 - 1))
    with pytest.raises(UserError, match="2,240, and at most 2,239 are decoded"):
        read_visible(tmp_path / "a.png")
    monkeypatch.setenv("SHIP_DEPLOY_MAX_PIXELS", "many")
    with pytest.raises(UserError, match="MAX_PIXELS is 'many', expected a number"):
        read_visible(tmp_path / "a.png")


def test_a_file_of_very_many_bytes_and_one_without_end(tmp_path, monkeypatch):
    monkeypatch.setenv("SHIP_DEPLOY_MAX_PIXELS", "1000")
    (tmp_path / "a.png").write_bytes(bytes(16_001))
    with pytest.raises(UserError, match="16,001 bytes are too many"):
        read_visible(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(bytes(16_000))
    with pytest.raises(UserError, match="not an image"):
        read_visible(tmp_path / "a.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="is a device"):
        read_visible(tmp_path / "zero.png")


@pytest.mark.parametrize("suffix", [".jp2", ".ras", ".hdr"])
def test_formats_without_such_a_header_are_not_read(tmp_path, no_decoder, suffix):
    image = COLOUR.astype(np.float32) if suffix == ".hdr" else COLOUR
    (tmp_path / "a.png").write_bytes(encode(suffix, image))
    with pytest.raises(UserError, match="expected PNG, JPEG, BMP, TIFF, WebP or Netpbm"):
        read_visible(tmp_path / "a.png")
