"""Image files: decoding that notices damage, pairing by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from ship_deploy.frames import Frames, check_infrared, check_pair

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
Align: TypeAlias = Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]]


class FilePair(NamedTuple):
    """A visible and an infrared image of one scene; `name` is the visible file's stem."""

    name: str
    visible: Path
    infrared: Path


def read_visible(path: Path) -> Frames:
    """A visible frame: uint8 BGR (H, W, 3), or (H, W) from a grey file."""
    return _decode(path, cv2.IMREAD_ANYCOLOR)


def read_infrared(path: Path) -> NDArray[Any]:
    """An infrared frame, (H, W), in the depth of the file: uint8, uint16 or float32."""
    return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)


def write_png(path: Path, image: NDArray[Any]) -> None:
    """Encode an image, (H, W) or (H, W, 3) BGR in 8 or 16 bits, and write it atomically."""
    _write(path, image, ".png")


def write_jpeg(path: Path, image: Frames) -> None:
    """The same as a JPEG of OpenCV's default quality, 95."""
    _write(path, image, ".jpg")


def _write(path: Path, image: NDArray[Any], suffix: str) -> None:
    encoded, content = cv2.imencode(suffix, image)
    if not encoded:
        raise UserError(f"{path}: an image of shape {image.shape} cannot be encoded")
    write_atomically(path, content.tobytes())


def find_pairs(visible: Path, infrared: Path) -> list[FilePair]:
    """Two files as one pair, or two folders paired by file name without suffix, in order.

    Raises:
        UserError: something is missing, or names in the folders have no partner (all are named).
    """
    for path in (visible, infrared):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
    if visible.is_dir() != infrared.is_dir():
        raise UserError(f"{visible} and {infrared}: give two files or two folders")
    if not visible.is_dir():
        return [FilePair(visible.stem, visible, infrared)]
    left, right = _images(visible), _images(infrared)
    lonely = sorted(str(left.get(n) or right[n]) for n in left.keys() ^ right.keys())
    if lonely:
        raise UserError(f"no image of the same name in the other folder for {', '.join(lonely)}")
    return [FilePair(name, left[name], right[name]) for name in sorted(left)]


def check_pairs(pairs: list[FilePair], align: Align | None = None) -> None:
    """Decode every pair once and raise one UserError that names all that cannot be fused.

    Args:
        pairs: the files.
        align: takes an infrared frame and the (height, width) of the visible one, and warps it
            there; without it the frames must be aligned.
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
        raise UserError("; ".join(problems))


def list_images(folder: Path) -> list[Path]:
    """The images in a folder, in order of their names; UserError if it is none or has none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    found = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES]
    if not (images := [path for path in found if not path.name.startswith(".")]):
        raise UserError(f"{folder}: contains no images")
    return images


def _images(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_images(folder):
        if path.stem in found:
            raise UserError(f"{found[path.stem]} and {path}: two images with the same name")
        found[path.stem] = path
    return found


def _decode(path: Path, flags: int) -> NDArray[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror})") from error
    if not content:
        raise UserError(f"{path}: the file is empty")
    if _cut_short(content):
        raise UserError(f"{path}: the image is truncated")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise UserError(f"{path}: cannot decode the image ({error.err})") from error
    if image is None:
        raise UserError(f"{path}: not an image, or a damaged one")
    return image


def _cut_short(content: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end, which some decoders fill with grey."""
    if content.startswith(b"\xff\xd8"):
        start_of_scan, end_of_image = content.rfind(b"\xff\xda"), content.rfind(b"\xff\xd9")
        return end_of_image < start_of_scan  # the end of an embedded thumbnail comes before
    return content.startswith(b"\x89PNG") and b"IEND" not in content[-64:]
