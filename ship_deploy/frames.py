"""What cameras give: checked, and brought to what the graph takes."""

import os
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError

SMALLEST = 16  # pixels a side; below, the network's statistics over the frame mean nothing
PERCENTILES = (0.5, 99.5)  # of a frame of more than 8 bits, that become 0 and 255 by default
COLOURED = 0.04  # of the full scale, mean difference of the channels
SWAPPED = 8.0  # times rougher than with its bytes swapped
NO_DATA = (-9999.0, -32768.0, float(np.finfo(np.float32).min))
MOST_PIXELS = 100_000_000  # 300 MB in colour
PIXELS = "SHIP_DEPLOY_MAX_PIXELS"  # an environment variable, which processes hand on
Frames = NDArray[np.uint8]


def prepare(visible: Any, infrared: Any, percentiles: tuple[float, float]) -> tuple[Frames, Frames]:
    """Check a pair of frames (or two batches) and give it the graph's shape and type.

    Args:
        visible: uint8, BGR (H, W, 3) or grey (H, W); batches have N in front.
        infrared: (H, W) or (N, H, W), see `stretch` for types; or with one channel, or three equal
            ones, behind.
        percentiles: limits of the stretch.

    Returns:
        visible (N, H, W, 3) and infrared (N, H, W), both uint8 and contiguous.

    Raises:
        UserError: what is wrong with them, in one line.
    """
    infrared = one_channel(infrared)
    check_pair(visible, infrared)
    batch = infrared.ndim == 3
    if visible.ndim == infrared.ndim:
        visible = np.repeat(visible[..., None], 3, axis=-1)
    infrared = stretch(infrared, percentiles)
    if not batch:
        visible, infrared = visible[None], infrared[None]
    return np.ascontiguousarray(visible), np.ascontiguousarray(infrared)


def one_channel(infrared: Any) -> Any:
    """Infrared frames without a last axis of one channel, or of three that are equal.

    No frame is as narrow as that, so the axis can be nothing else.

    Raises:
        UserError: three channels that differ.
    """
    shape: tuple[int, ...] = getattr(infrared, "shape", ())
    if len(shape) < 3 or shape[-1] not in (1, 3) or 0 in shape:
        return infrared
    if (infrared != infrared[..., :1]).any():
        raise UserError(
            f"infrared has shape {shape}: three channels that differ, false colours perhaps; "
            "expected grey levels or counts, (H, W)"
        )
    return infrared[..., 0]


def is_coloured(image: NDArray[Any]) -> bool:
    """Whether the channels of a picture (H, W, 3) differ by more than a codec makes grey differ."""
    some = image[::4, ::4]
    return bool(np.ptp(some, axis=2).mean(dtype=float) > COLOURED * np.iinfo(image.dtype).max)


def is_swapped(image: NDArray[np.uint16]) -> bool:
    """Whether counts (H, W) would be far smoother with their bytes swapped.

    The lower byte of counts is noisy. As the higher one, it makes neighbours differ by a good part
    of the full scale, as in no picture whose bytes are in order.
    """
    if np.ptp(image & 0xFF) == 0:  # 8 bits, in the higher byte
        return False
    rough, swapped = (
        np.abs(np.diff(counts.astype(np.float32), axis=1)).mean()
        for counts in (image, image.byteswap())
    )
    return bool(rough > SWAPPED * swapped)


def check_pair(visible: Any, infrared: Any) -> None:
    """Say in one line what keeps two frames (or two batches) from being fused."""
    for name, frames in (("visible", visible), ("infrared", infrared)):
        if not isinstance(frames, np.ndarray):
            raise UserError(f"{name} is a {type(frames).__name__}, expected a numpy array")
    if visible.dtype != np.uint8:
        raise UserError(f"visible is {visible.dtype}, expected uint8 (BGR or grey)")
    if np.ma.is_masked(visible):
        raise UserError("visible has masked samples, and every sample of it is shown; fill them")
    check_infrared(infrared)
    if infrared.ndim not in (2, 3):
        raise UserError(f"infrared has shape {infrared.shape}, expected (H, W) or (N, H, W)")
    colour = visible.ndim > 2 and visible.shape[-1] == 3
    if visible.ndim != infrared.ndim + colour:
        expected = "(H, W, 3) or (H, W)" if infrared.ndim == 2 else "(N, H, W, 3) or (N, H, W)"
        raise UserError(
            f"visible has shape {visible.shape} and infrared {infrared.shape}, expected {expected}"
        )
    *batch, height, width = visible.shape[:-1] if colour else visible.shape
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
    if infrared.dtype.kind not in "uif" or infrared.dtype.itemsize > 8:
        raise UserError(f"infrared is {infrared.dtype}, expected integers or floats")
    if infrared.dtype.kind == "f":
        wrong = ~np.isfinite(np.asarray(infrared)) & ~np.ma.getmaskarray(infrared)
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            count = int(np.count_nonzero(wrong))
            raise UserError(f"infrared has {count} NaN or infinite samples, the first at {first}")


def stretch(infrared: NDArray[Any], percentiles: tuple[float, float]) -> Frames:
    """An infrared frame as 8 bits.

    uint8 frames pass as they are. All others (counts of a 14-bit camera, or degrees) are stretched
    linearly, so that the two percentiles of each frame become 0 and 255. Samples without a
    measurement, see `missing`, have no part in the percentiles and become 0.

    Args:
        infrared: integers or floats of any width, finite; (H, W), or a batch (N, H, W). May be a
            masked array.
        percentiles: lower and upper limit, 0 <= lower < upper <= 100.

    Returns:
        uint8, of the same shape.
    """
    absent = missing(infrared)
    counts = np.asarray(infrared)
    if counts.dtype == np.uint8:
        return counts if absent is None else np.where(absent, np.uint8(0), counts)
    low, high = limits(counts, absent, percentiles, axis=(-2, -1))
    return scale(counts, low, high, absent)


def missing(infrared: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where a frame holds no measurement; None if nowhere.

    That is where a masked array is masked, and where a frame of signed integers or floats has its
    least value and that is one of `NO_DATA`, the usual ones in files.
    """
    absent: NDArray[np.bool_] | None = None
    if np.ma.is_masked(infrared):
        absent = np.ma.getmaskarray(infrared)
    counts = np.asarray(infrared)
    if counts.dtype.kind in "if" and counts.size:
        least = counts.min(axis=(-2, -1), keepdims=True)
        if (odd := np.isin(least.astype(np.float64), NO_DATA)).any():
            found = odd & (counts == least)
            absent = found if absent is None else absent | found
    return absent


def limits(
    counts: NDArray[Any],
    absent: NDArray[np.bool_] | None,
    percentiles: tuple[float, float],
    axis: tuple[int, int],
) -> NDArray[Any]:
    """The two percentiles of the samples that are not absent, along two axes, which are kept."""
    if counts.dtype == np.float16:
        counts = counts.astype(np.float32)  # else they are interpolated in 11 bits
    if absent is None:
        found: NDArray[Any] = np.percentile(counts, percentiles, axis=axis, keepdims=True)
        return found
    if absent.all(axis=axis).any():
        raise UserError("infrared has no measurement in any sample")
    known = np.where(absent, np.nan, counts.astype(np.float64))
    return np.asarray(np.nanpercentile(known, percentiles, axis=axis, keepdims=True))


def most_pixels() -> int:
    """Pixels of the largest picture that is decoded, so that a small file cannot fill the memory.

    The environment variable `SHIP_DEPLOY_MAX_PIXELS`, or 100 million.

    Raises:
        UserError: the variable holds no number from 1 up.
    """
    text = os.environ.get(PIXELS) or str(MOST_PIXELS)
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", text):
        raise UserError(f"{PIXELS} is {text!r}, expected a number of pixels, such as {MOST_PIXELS}")
    return int(text)


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
    try:
        low, high = map(float, percentiles)
    except (TypeError, ValueError):
        raise UserError(
            f"percentiles is {percentiles!r}, expected two numbers, such as (0.5, 99.5)"
        ) from None
    if not 0 <= low < high <= 100:
        said = " and ".join(str(each) for each in percentiles)
        raise UserError(f"percentiles are {said}, expected 0 <= lower < upper <= 100")


def scale(
    infrared: NDArray[Any], low: Any, high: Any, absent: NDArray[np.bool_] | None = None
) -> Frames:
    """Linearly from `low` to 0 and from `high` to 255, clipped; float or arrays that broadcast.

    Where `absent` is true, the result is 0.
    """
    if infrared.dtype == np.float16:
        infrared = infrared.astype(np.float32)
    span = np.where(high > low, high - low, 1.0)  # a constant frame becomes 0
    if absent is not None:
        infrared = np.where(absent, low, infrared)
    scaled = (np.clip(infrared, low, high) - low) * (255 / span)
    stretched: Frames = np.rint(scaled).astype(np.uint8)
    return stretched
