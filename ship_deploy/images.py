"""Image files: decoding that notices damage, pairing by name."""

import csv
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.containers import cut_short, is_radiometric, read_picture, read_tiff
from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from ship_deploy.frames import (
    Frames,
    check_infrared,
    check_pair,
    is_coloured,
    is_swapped,
    most_pixels,
)
from ship_deploy.names import group_by_scene, in_order, is_image, name_some

Align: TypeAlias = Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]]


MOST_SCANS = 100  # of a JPEG; encoders make about ten, and each takes as long as a decoding
LONELY = "no image of the same name in the other folder"
BYTES = 16  # in a file, at most, for each pixel of the largest picture


class FilePair(NamedTuple):
    """A visible and an infrared image of one scene.

    `name` is the visible file's path in its folder, without suffix.
    """

    name: str
    visible: Path
    infrared: Path


def read_visible(path: Path) -> Frames:
    """A visible frame: uint8 BGR (H, W, 3), or (H, W) from a grey file.

    Raises:
        UserError: the file cannot be read, is damaged, or has more than 8 bits a sample: which of
            them hold the picture depends on the camera.
    """
    return decode_visible(path, read_file(path))


def decode_visible(path: Path, content: bytes) -> Frames:
    """The same from a file's content; `path` is for messages."""
    image = _decode(path, content, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if image.dtype != np.uint8:
        raise UserError(
            f"{path}: a visible image of {image.dtype}, expected 8 bits a sample; scale it first, "
            "for a camera of 12 bits by 1/16"
        )
    return image


def read_infrared(path: Path) -> NDArray[Any]:
    """An infrared frame, (H, W), in the depth of the file, bright where its values say so.

    Raises:
        UserError: the file cannot be read, is damaged, is in false colour, or holds several
            images or bands, of which nobody says which one is meant.
    """
    return decode_infrared(path, read_file(path))


def decode_infrared(path: Path, content: bytes) -> NDArray[Any]:
    """The same from a file's content; `path` is for messages."""
    tiff = read_tiff(content)
    if tiff and tiff.pages > 1:
        raise UserError(f"{path}: a TIFF of {tiff.pages} pages; give one file an image")
    if tiff and tiff.bits > 8 and tiff.bands == 2:
        raise UserError(f"{path}: a TIFF of 2 bands; give a file with the infrared one alone")
    if tiff and tiff.floats and tiff.bits == 16:
        raise UserError(f"{path}: a TIFF of 16-bit floats; save it as 32-bit floats")
    image = _decode(path, content, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if image.ndim == 3:
        if is_coloured(image):
            kind = "a radiometric JPEG" if is_radiometric(content) else "a picture"
            raise UserError(
                f"{path}: {kind} in colour, expected grey levels or counts; save it with a grey "
                "palette, or its temperatures as 16-bit PNG or TIFF"
            )
        image = _decode(path, content, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if image.dtype == np.uint16 and is_swapped(image):
        raise UserError(
            f"{path}: the two bytes of each sample seem to be swapped; save it again, in a PNG "
            "with the higher one first"
        )
    if tiff and tiff.white_is_zero and image.dtype == np.uint16:
        image = np.iinfo(np.uint16).max - image  # OpenCV does that for 8 bits only
    return image


def write_png(path: Path, image: NDArray[Any]) -> None:
    """Encode an image, (H, W) or (H, W, 3) BGR in 8 or 16 bits, and write it atomically."""
    _write(path, image, ".png")


def write_jpeg(path: Path, image: Frames) -> None:
    """The same as a JPEG of OpenCV's default quality, 95."""
    _write(path, image, ".jpg")


def _write(path: Path, image: NDArray[Any], suffix: str) -> None:
    write_atomically(path, encode(path, image, suffix))


def encode(path: Path, image: NDArray[Any], suffix: str = ".png") -> bytes:
    """An image as the content of a file; `path` is for messages."""
    encoded, content = cv2.imencode(suffix, image)
    if not encoded:
        raise UserError(f"{path}: an image of shape {image.shape} cannot be encoded")
    return content.tobytes()


def find_pairs(visible: Path, infrared: Path) -> list[FilePair]:
    """Two files as one pair, or two folders paired by name as `group_by_scene` does, in order.

    Raises:
        UserError: something is missing, names in the folders have no partner (all are named), or
            both are one folder.
    """
    for path in (visible, infrared):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
    if visible.is_dir() != infrared.is_dir():
        raise UserError(f"{visible} and {infrared}: give two files or two folders")
    if not visible.is_dir():
        return [FilePair(visible.stem, visible, infrared)]
    if visible.samefile(infrared):
        raise UserError(
            f"{visible}: one folder given twice, so that each image would be fused with itself; "
            "list the pairs in a file"
        )
    pairs, lonely = pair_folders(visible, infrared)
    if lonely:
        names = sorted(map(str, lonely))
        raise UserError(f"{LONELY} for {name_some(names)}")
    return pairs


def pair_folders(visible: Path, infrared: Path) -> tuple[list[FilePair], list[Path]]:
    """The images of two folders that show one scene, and those without a partner, in order.

    Raises:
        UserError: a folder contains no images, or two with the same name.
    """
    left, right = group_by_scene([(visible, "visible"), (infrared, "infrared")])
    for folder, found in ((visible, left), (infrared, right)):
        if not found:
            raise UserError(f"{folder}: contains no images")
        for paths in found.values():
            if len(paths) > 1:
                raise UserError(f"{paths[0]} and {paths[1]}: two images with the same name")
    pairs = [
        FilePair(str(paths[0].relative_to(visible).with_suffix("")), paths[0], right[name][0])
        for name, paths in left.items()
        if name in right
    ]
    lonely = [(left.get(n) or right[n])[0] for n in sorted(left.keys() ^ right.keys())]
    return pairs, lonely


def read_pairs(path: Path) -> list[FilePair]:
    """The pairs in a CSV file with the columns visible and infrared: paths, from the file's folder.

    Raises:
        UserError: it cannot be read, lacks a column or a path, or two visible images have one name.
    """
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot read the list of pairs ({reason})") from error
    if not rows:
        raise UserError(f"{path}: lists no pairs; expected the columns visible and infrared")
    pairs: dict[str, FilePair] = {}
    for number, row in enumerate(rows, 2):
        left, right = row.get("visible"), row.get("infrared")
        if not left or not right:
            raise UserError(f"{path}, line {number}: expected the columns visible and infrared")
        pair = FilePair(Path(left).stem, path.parent / left, path.parent / right)
        if pair.name in pairs:
            raise UserError(f"{path}, line {number}: a second visible image called {pair.name}")
        pairs[pair.name] = pair
    return list(pairs.values())


def check_pairs(pairs: list[FilePair], align: Align | None = None) -> None:
    """Decode every pair once and raise one UserError that names all that cannot be fused.

    Args:
        pairs: the files.
        align: takes an infrared frame and the (height, width) of the visible one, and brings it
            there; without it the frames must be aligned and of one size.
    """
    problems = []
    for pair in pairs:
        try:
            visible, infrared = read_visible(pair.visible), read_infrared(pair.infrared)
        except UserError as error:
            problems.append(str(error))
            continue
        try:
            check_infrared(infrared)
            check_pair(visible, align(infrared, visible.shape[:2]) if align else infrared)
        except UserError as error:
            problems.append(f"{pair.visible} and {pair.infrared}: {error}")
    if problems:
        raise UserError(name_some(problems, separator="; "))


def list_images(folder: Path) -> list[Path]:
    """The images in a folder, in order of their names, numbers in them by their size.

    Raises:
        UserError: it is no folder, or has no images.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    if not (images := [path for path in sorted(folder.iterdir(), key=in_order) if is_image(path)]):
        raise UserError(f"{folder}: contains no images")
    return images


def read_file(path: Path) -> bytes:
    """The content of an image file; UserError if it cannot be read or lacks its end."""
    try:
        status = path.stat()
        if stat.S_ISCHR(status.st_mode):
            raise UserError(f"{path}: is a device, expected an image")
        if status.st_size > BYTES * most_pixels():
            raise UserError(f"{path}: {status.st_size:,} bytes are too many for an image")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror})") from error
    if not content:
        raise UserError(f"{path}: the file is empty")
    if cut_short(content):
        raise UserError(f"{path}: the image is truncated")
    return content


def picture_problem(content: bytes) -> str:
    """Why a picture is not to be decoded, by its header; "" if it may be."""
    picture = read_picture(content)
    if picture is None:
        return "not an image, or a damaged one (expected PNG, JPEG, BMP, TIFF, WebP or Netpbm)"
    if (pixels := picture.height * picture.width) > (most := most_pixels()):
        return (
            f"the image has {picture.width}x{picture.height} pixels, {pixels:,}, and at most "
            f"{most:,} are decoded (--max-pixels, SHIP_DEPLOY_MAX_PIXELS)"
        )
    if picture.scans > MOST_SCANS:
        return f"a JPEG of {picture.scans} scans, at most {MOST_SCANS} are decoded"
    return ""


def _decode(path: Path, content: bytes, flags: int) -> NDArray[Any]:
    if problem := picture_problem(content):
        raise UserError(f"{path}: {problem}")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise UserError(f"{path}: cannot decode the image ({error.err})") from error
    if image is None:
        raise UserError(f"{path}: not an image, or a damaged one")
    return image
