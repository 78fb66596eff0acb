"""Image files: decoding that notices damage, pairing by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.containers import cut_short, is_radiometric, read_tiff
from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from ship_deploy.frames import Frames, check_infrared, check_pair, is_coloured

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
Align: TypeAlias = Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]]


class FilePair(NamedTuple):
    """A visible and an infrared image of one scene; `name` is the visible file's stem."""

    name: str
    visible: Path
    infrared: Path


def read_visible(path: Path) -> Frames:
    """A visible frame: uint8 BGR (H, W, 3), or (H, W) from a grey file.

    Raises:
        UserError: the file cannot be read, is damaged, or has more than 8 bits a sample: which of
            them hold the picture depends on the camera.
    """
    image = _decode(path, read_file(path), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
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
    content = read_file(path)
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


def read_file(path: Path) -> bytes:
    """The content of an image file; UserError if it cannot be read or lacks its end."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror})") from error
    if not content:
        raise UserError(f"{path}: the file is empty")
    if cut_short(content):
        raise UserError(f"{path}: the image is truncated")
    return content


def _decode(path: Path, content: bytes, flags: int) -> NDArray[Any]:
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise UserError(f"{path}: cannot decode the image ({error.err})") from error
    if image is None:
        raise UserError(f"{path}: not an image, or a damaged one")
    return image
