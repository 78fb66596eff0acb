"""What cameras give: checked, and brought to what the graph takes."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError

SMALLEST = 16  # pixels a side; below, the network's statistics over the frame mean nothing
PERCENTILES = (0.5, 99.5)  # of a frame of more than 8 bits, that become 0 and 255 by default
Frames = NDArray[np.uint8]


def prepare(visible: Any, infrared: Any, percentiles: tuple[float, float]) -> tuple[Frames, Frames]:
    """Check a pair of frames (or two batches) and give it the graph's shape and type.

    Args:
        visible: uint8, BGR (H, W, 3) or grey (H, W); batches have N in front.
        infrared: (H, W) or (N, H, W), see `stretch` for types.
        percentiles: limits of the stretch.

    Returns:
        visible (N, H, W, 3) and infrared (N, H, W), both uint8 and contiguous.

    Raises:
        UserError: what is wrong with them, in one line.
    """
    check_pair(visible, infrared)
    batch = infrared.ndim == 3
    if visible.ndim == infrared.ndim:
        visible = np.repeat(visible[..., None], 3, axis=-1)
    infrared = stretch(infrared, percentiles)
    if not batch:
        visible, infrared = visible[None], infrared[None]
    return np.ascontiguousarray(visible), np.ascontiguousarray(infrared)


def check_pair(visible: Any, infrared: Any) -> None:
    """Say in one line what keeps two frames (or two batches) from being fused."""
    for name, frames in (("visible", visible), ("infrared", infrared)):
        if not isinstance(frames, np.ndarray):
            raise UserError(f"{name} is a {type(frames).__name__}, expected a numpy array")
    if visible.dtype != np.uint8:
        raise UserError(f"visible is {visible.dtype}, expected uint8 (BGR or grey)")
    check_infrared(infrared)
    if infrared.ndim not in (2, 3):
        raise UserError(f"infrared has shape {infrared.shape}, expected (H, W) or (N, H, W)")
    grey = visible.ndim == infrared.ndim
    if not grey and (visible.ndim != infrared.ndim + 1 or visible.shape[-1] != 3):
        expected = "(H, W, 3) or (H, W)" if infrared.ndim == 2 else "(N, H, W, 3) or (N, H, W)"
        raise UserError(
            f"visible has shape {visible.shape} and infrared {infrared.shape}, expected {expected}"
        )
    *batch, height, width = visible.shape if grey else visible.shape[:-1]
    if (height, width) != infrared.shape[-2:]:
        ir_height, ir_width = infrared.shape[-2:]
        raise UserError(
            f"visible is {height}x{width} and infrared {ir_height}x{ir_width} (height x width): "
            "frames must be aligned and of one size"
        )
    if batch != list(infrared.shape[:-2]):
        raise UserError(f"{batch[0]} visible frames, but {infrared.shape[0]} infrared ones")
    if min(height, width) < SMALLEST:
        raise UserError(f"frames are {height}x{width}, the smallest is {SMALLEST}x{SMALLEST}")
    if 0 in batch:
        raise UserError("the batch is empty")


def check_infrared(infrared: NDArray[Any]) -> None:
    """Say in one line what keeps an infrared frame (or a batch) from being stretched."""
    if infrared.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise UserError(f"infrared is {infrared.dtype}, expected uint8, uint16, float32 or float64")
    if infrared.dtype.kind == "f" and not (finite := np.isfinite(infrared)).all():
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        count = int(finite.size - np.count_nonzero(finite))
        raise UserError(f"infrared has {count} NaN or infinite samples, the first at {first}")


def stretch(infrared: NDArray[Any], percentiles: tuple[float, float]) -> Frames:
    """An infrared frame as 8 bits.

    8-bit frames pass as they are. 16-bit and float ones (counts of a 14-bit camera, or degrees) are
    stretched linearly, so that the two percentiles of each frame become 0 and 255.

    Args:
        infrared: uint8, uint16, float32 or float64, finite; (H, W), or a batch (N, H, W).
        percentiles: lower and upper limit, 0 <= lower < upper <= 100.

    Returns:
        uint8, of the same shape.
    """
    if infrared.dtype == np.uint8:
        return infrared
    return scale(infrared, *np.percentile(infrared, percentiles, axis=(-2, -1), keepdims=True))


def split_size(text: str) -> tuple[int, int] | None:
    """The two numbers of "HxW", such as "480x640"; None if it is not of this form."""
    found = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    return (int(found[1]), int(found[2])) if found else None


def parse_size(name: str, text: str) -> tuple[int, int]:
    """The height and width of a frame, in pixels, from "HxW".

    Raises:
        UserError: it is not of this form, or too small; calls it `name`.
    """
    size = split_size(text)
    if size is None:
        raise UserError(f"{name} is {text!r}, expected HEIGHTxWIDTH, such as 480x640")
    if min(size) < SMALLEST:
        raise UserError(f"{name} is {text}, the smallest is {SMALLEST}x{SMALLEST}")
    return size


def check_percentiles(percentiles: tuple[float, float]) -> None:
    """Say in one line what keeps two percentiles from being limits of a stretch."""
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise UserError(f"percentiles are {low} and {high}, expected 0 <= lower < upper <= 100")


def scale(infrared: NDArray[Any], low: Any, high: Any) -> Frames:
    """Linearly from `low` to 0 and from `high` to 255, clipped; float or arrays that broadcast."""
    span = np.where(high > low, high - low, 1.0)  # a constant frame becomes 0
    scaled = (np.clip(infrared, low, high) - low) * (255 / span)
    stretched: Frames = np.rint(scaled).astype(np.uint8)
    return stretched
