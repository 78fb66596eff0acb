import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.images import (
    check_pairs,
    find_pairs,
    read_infrared,
    read_pairs,
    read_visible,
    write_png,
)
from training.scenes import render


@pytest.fixture
def folders(tmp_path):
    """Two folders with two pairs each, PNG beside JPEG."""
    for side in ("visible", "infrared"):
        (tmp_path / side).mkdir()
    for seed, name in enumerate(("a", "b")):
        visible, infrared = render(seed, 40, 56)
        cv2.imwrite(str(tmp_path / "visible" / f"{name}.jpg"), visible)
        cv2.imwrite(str(tmp_path / "infrared" / f"{name}.png"), infrared)
    return tmp_path / "visible", tmp_path / "infrared"


def test_folders_are_paired_by_name_without_suffix(folders):
    (folders[0] / "notes.txt").write_text("not an image")
    pairs = find_pairs(*folders)
    assert [(p.name, p.visible.suffix, p.infrared.suffix) for p in pairs] == [
        ("a", ".jpg", ".png"),
        ("b", ".jpg", ".png"),
    ]


def test_all_names_without_partner_are_listed(folders):
    cv2.imwrite(str(folders[0] / "lone1.png"), np.zeros((20, 20, 3), np.uint8))
    cv2.imwrite(str(folders[1] / "lone2.png"), np.zeros((20, 20), np.uint8))
    with pytest.raises(UserError, match=r"no image of the same name .*lone2\.png.*lone1\.png"):
        find_pairs(*folders)


def test_two_images_of_one_name(folders):
    cv2.imwrite(str(folders[0] / "a.png"), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(UserError, match="two images with the same name"):
        find_pairs(*folders)


def test_a_folder_and_a_file(folders):
    with pytest.raises(UserError, match="give two files or two folders"):
        find_pairs(folders[0], folders[1] / "a.png")


def test_nothing_there(folders, tmp_path):
    with pytest.raises(UserError, match=r"none: no such file or folder"):
        find_pairs(tmp_path / "none", folders[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="contains no images"):
        find_pairs(tmp_path / "empty", folders[1])


def test_one_folder_given_twice_is_refused(folders, tmp_path):
    (tmp_path / "link").symlink_to(folders[0])
    with pytest.raises(UserError, match="one folder given twice"):
        find_pairs(folders[0], tmp_path / "link")


def test_nested_folders_are_paired_by_the_path_in_them(folders):
    for side in folders:
        (side / "night").mkdir()
        write_png(side / "night" / "a.png", np.zeros((20, 20), np.uint8))
    assert [pair.name for pair in find_pairs(*folders)] == ["a", "b", "night/a"]


def test_a_list_of_pairs_takes_any_names(tmp_path):
    (tmp_path / "list.csv").write_text("note,visible,infrared\nx,v/1.png,/data/one.tif\n")
    [pair] = read_pairs(tmp_path / "list.csv")
    assert pair == ("1", tmp_path / "v/1.png", Path("/data/one.tif"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "lists no pairs"),
        ("visible,infrared\n", "lists no pairs"),
        ("a,b\n1,2\n", "line 2: expected the columns"),
        ("visible,infrared\na.png,b.png\nc.png,\n", "line 3: expected the columns"),
        ("visible,infrared\na.png,b.png\nx/a.png,c.png\n", "line 3: a second visible image"),
        ("\xff\xfe", "cannot read the list"),
    ],
)
def test_what_is_no_list_of_pairs(tmp_path, content, said):
    (tmp_path / "list.csv").write_text(content, "latin-1")
    with pytest.raises(UserError, match=said):
        read_pairs(tmp_path / "list.csv")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_a_truncated_image_is_an_error(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), render(0, 64, 80)[0])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"a\.\w+: (the file is empty|.*is truncated|not an image)"):
        read_visible(path)


def test_a_jpeg_with_a_thumbnail_that_is_whole_but_itself_cut(tmp_path):
    """The end marker of the embedded picture must not pass for the file's."""
    path = tmp_path / "a.jpg"
    _, thumbnail = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    _, whole = cv2.imencode(".jpg", render(0, 64, 80)[0])
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail.tobytes()
    content = whole.tobytes()[:2] + segment + whole.tobytes()[2:]
    path.write_bytes(content)
    assert read_visible(path).shape == (64, 80, 3)
    path.write_bytes(content[:-200])
    with pytest.raises(UserError, match="is truncated"):
        read_visible(path)


def test_text_is_not_an_image(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("hello")
    with pytest.raises(UserError, match="not an image, or a damaged one"):
        read_infrared(path)


def test_depths(tmp_path):
    counts = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) * 20
    for suffix, frame in ((".png", counts), (".tif", counts), (".tiff", counts.astype(np.float32))):
        path = tmp_path / f"a{suffix}"
        cv2.imwrite(str(path), frame)
        read = read_infrared(path)
        assert read.dtype == frame.dtype
        assert np.array_equal(read, frame)


def test_grey_stays_grey_and_three_grey_channels_become_one_for_infrared(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    write_png(tmp_path / "grey.png", grey)
    write_png(tmp_path / "three.png", np.repeat(grey[..., None], 3, axis=2))
    assert np.array_equal(read_visible(tmp_path / "grey.png"), grey)
    assert np.array_equal(read_infrared(tmp_path / "three.png"), grey)


def test_every_bad_pair_is_named(folders):
    (folders[0] / "a.jpg").write_bytes(b"")
    write_png(folders[1] / "b.png", np.zeros((10, 20), np.uint8))
    with pytest.raises(UserError) as error:
        check_pairs(find_pairs(*folders))
    assert "a.jpg: the file is empty" in str(error.value)
    assert "b.png: visible is 40x56 and infrared 10x20" in str(error.value)


def tiff(pixels, *, pages=1, bands=1, form=1, photometric=1, order="<"):
    """A TIFF of one strip a page, uncompressed."""
    height, width = pixels.shape[:2]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8 + len(data))
    content = head + data
    for page in range(pages):
        bits = 8 * pixels.itemsize
        # A SHORT for two bands still fits into the four bytes of an entry.
        size = struct.pack(f"{order}{bands}H", *[bits] * bands).ljust(4, b"\0")
        entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, bands, size), (259, 3, 1, 1)]
        entries += [(262, 3, 1, photometric), (273, 4, 1, 8), (277, 3, 1, bands)]
        entries += [(278, 4, 1, height), (279, 4, 1, len(data)), (339, 3, 1, form)]
        content += struct.pack(f"{order}H", len(entries))
        for tag, kind, count, value in entries:
            if not isinstance(value, bytes):
                value = struct.pack(order + {3: "H", 4: "I"}[kind], value).ljust(4, b"\0")
            content += struct.pack(f"{order}HHI", tag, kind, count) + value
        rest = page < pages - 1
        content += struct.pack(f"{order}I", len(content) + 4 if rest else 0)
    return content


COUNTS = np.arange(7000, 7000 + 20 * 30, dtype=np.uint16).reshape(20, 30)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("pixels", "form"),
    [(COUNTS, 1), (COUNTS.astype(np.int16), 2), (COUNTS.astype(np.float32), 3)],
)
def test_tiffs_keep_their_counts(tmp_path, pixels, form, order):
    (tmp_path / "a.tif").write_bytes(tiff(pixels, form=form, order=order))
    read = read_infrared(tmp_path / "a.tif")
    assert read.dtype == pixels.dtype and np.array_equal(read, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_where_white_is_zero_small_values_are_bright(tmp_path, dtype):
    pixels = (COUNTS - 7000).astype(dtype)
    (tmp_path / "a.tif").write_bytes(tiff(pixels, photometric=0))
    assert np.array_equal(read_infrared(tmp_path / "a.tif"), np.iinfo(dtype).max - pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pages": 3}, "a TIFF of 3 pages"),
        ({"bands": 2}, "a TIFF of 2 bands"),
        ({"form": 3}, "a TIFF of 16-bit floats"),
    ],
)
def test_tiffs_of_which_part_would_be_lost_are_refused(tmp_path, options, said, order):
    pixels = np.dstack([COUNTS] * options.get("bands", 1))
    (tmp_path / "a.tif").write_bytes(tiff(pixels, order=order, **options))
    with pytest.raises(UserError, match=rf"a\.tif: {said}"):
        read_infrared(tmp_path / "a.tif")


def test_a_visible_image_of_16_bits_is_refused(tmp_path):
    write_png(tmp_path / "a.png", COUNTS)
    with pytest.raises(UserError, match=r"a\.png: a visible image of uint16"):
        read_visible(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_false_colours_are_refused_and_grey_that_a_jpeg_made_coloured_is_not(tmp_path, suffix):
    grey = cv2.GaussianBlur(render(0, 64, 80)[1], (0, 0), 3)
    cv2.imwrite(str(tmp_path / f"false{suffix}"), cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO))
    tinted = np.dstack([grey, grey, np.clip(grey, 0, 249) + 6])
    cv2.imwrite(str(tmp_path / f"tinted{suffix}"), tinted)
    with pytest.raises(UserError, match="a picture in colour, expected grey levels"):
        read_infrared(tmp_path / f"false{suffix}")
    assert np.abs(read_infrared(tmp_path / f"tinted{suffix}") - grey.astype(int)).max() < 10


def test_a_radiometric_jpeg_in_false_colour_is_called_that(tmp_path):
    picture = cv2.applyColorMap(render(0, 64, 80)[1], cv2.COLORMAP_JET)
    content = cv2.imencode(".jpg", picture)[1].tobytes()
    segment = b"FLIR\0\1\0\0FFF\0" + bytes(100)
    content = (
        content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
    )
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match="a radiometric JPEG in colour"):
        read_infrared(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("progressive", [0, 1])
def test_what_follows_the_end_of_an_image_does_not_count(tmp_path, suffix, progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive] if suffix == ".jpg" else []
    content = cv2.imencode(suffix, render(0, 64, 80)[0], options)[1].tobytes()
    path = tmp_path / f"a{suffix}"
    for seed in range(20):
        more = np.random.default_rng(seed).integers(0, 256, 50_000, dtype=np.uint8).tobytes()
        path.write_bytes(content + more)
        assert read_visible(path).shape == (64, 80, 3)
    path.write_bytes(content[:-20])
    with pytest.raises(UserError, match="truncated"):
        read_visible(path)


@pytest.mark.parametrize("missing", [1, 4, 8, 11])
def test_a_png_cut_within_its_last_chunk(tmp_path, missing):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), render(0, 64, 80)[0])
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(UserError, match="is truncated"):
        read_visible(path)


SCENE = 7000 + 60 * np.add.outer(np.hypot(*np.mgrid[-8:8, -8:8]), np.zeros(1)).repeat(4, 2)
NOISE = np.random.default_rng(0).normal(0, 3, (16, 64))
COUNTS = (SCENE.reshape(16, 64) + NOISE).astype(np.uint16)


def test_counts_whose_bytes_are_swapped_are_told(tmp_path):
    write_png(tmp_path / "i.png", COUNTS.byteswap())
    with pytest.raises(UserError, match=r"i\.png: the two bytes of each sample seem to be swapped"):
        read_infrared(tmp_path / "i.png")


@pytest.mark.parametrize(
    "counts",
    [
        COUNTS,
        COUNTS << 2,
        (COUNTS >> 6) << 8,  # 8 bits
        (COUNTS >> 6) * 257,
        (COUNTS >> 6) << 8 | 255,
        COUNTS >> 6,
        np.full((16, 64), 7000, np.uint16),
        np.random.default_rng(0).integers(0, 1 << 16, (16, 64), np.uint16),
    ],
)
def test_counts_in_order_are_taken_however_many_bits_they_have(tmp_path, counts):
    write_png(tmp_path / "i.png", counts.astype(np.uint16))
    assert np.array_equal(read_infrared(tmp_path / "i.png"), counts)


def test_pixels_are_height_times_width(tmp_path, monkeypatch):
    write_png(tmp_path / "a.png", np.zeros((32, 64), np.uint8))
    monkeypatch.setenv("SHIP_DEPLOY_MAX_PIXELS", "2048")
    read_visible(tmp_path / "a.png")
    monkeypatch.setenv("SHIP_DEPLOY_MAX_PIXELS", "2047")
    with pytest.raises(UserError, match="2,047 are decoded"):
        read_visible(tmp_path / "a.png")
