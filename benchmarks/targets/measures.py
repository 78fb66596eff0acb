"""Targets kept, detail kept, invented gradients and colour kept, of one fused picture.

Pictures are uint8, (H, W) luminance of one size unless stated otherwise. A box is x, y, width and
height in pixels, within the picture. All measures are defined by this project.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.frames import Frames

Box = tuple[int, int, int, int]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

LOST = 0.35  # a target is lost if less than this share of its contrast is kept
STRONGEST = 95  # percentile: what a target's strongest pixels do, whatever single ones do
DETAIL = 3  # pixels, sigma: detail is what a Gaussian takes away
NOTHING = 0.5  # levels, or units of a* and b*, RMS: what rounding to 8 bits can make
FINE, COARSE = 1, 8  # pixels, sigmas at which gradients are compared


@dataclass(frozen=True)
class Target:
    """A target as the source shows it in which it stands out more.

    Attributes:
        source: "visible" or "infrared".
        levels: its contrast there, |mean over the mask - median of the ring|, 0 to 255.
        box: around it.
        mask: its pixels, (H, W).
        ring: those around its box, (H, W).
    """

    source: str
    levels: float
    box: Box
    mask: Mask
    ring: Mask

    def kept(self, fused: Frames) -> float:
        """The share of its contrast that is in a fused picture, 0 to 1; NaN if there is none."""
        if not self.levels:
            return math.nan
        return min(contrast(fused, self.mask, self.ring) / self.levels, 1)


def find_target(
    visible: Frames,
    infrared: Frames,
    box: Box,
    mask: Mask | None = None,
    only: str | None = None,
) -> Target:
    """A target in the source in which it stands out more.

    The ring lies around the box, half the box's shorter side wide, 2 pixels at least. A source's
    own mask is where, in the box, it differs from the median of the ring by more than half of what
    its strongest pixels do: the 95th percentile of the differences to the brighter or to the darker
    side, whichever is larger, so that dark and bright parts of one target do not cancel. It stands
    out more where the energy of its contrast, levels^2 times the pixels of the mask, is larger: a
    lamp or a few leaves in the box are no person. (Of 101 targets in `boxes.json` that are noted to
    show in the infrared frame only, this finds all, levels alone 95%.)

    Args:
        visible: a source.
        infrared: a source.
        box: around the target.
        mask: the target's exact pixels, (H, W), in place of the estimate.
        only: "visible" or "infrared" if it is known that only this source shows the target.
    """
    x, y, width, height = box
    margin = max(2, round(min(width, height) / 2))
    inside, ring = np.zeros((2, *visible.shape), np.bool_)
    inside[y : y + height, x : x + width] = True
    ring[max(y - margin, 0) : y + height + margin, max(x - margin, 0) : x + width + margin] = True
    ring &= ~inside if mask is None else ~(inside | mask)
    if not ring.any():
        raise ValueError(f"box {box} leaves no ring in a picture of {visible.shape}")
    found = []
    for name, source in (("visible", visible), ("infrared", infrared)):
        differences = source - np.median(source[ring]).astype(np.float32)
        own = _strong(differences, inside) if mask is None else mask
        levels = contrast(source, own, ring)
        found.append(Target(name, levels, box, own, ring))
    known = [target for target in found if only in (None, target.source)]
    return max(known, key=lambda target: target.levels**2 * target.mask.sum())


def contrast(picture: Frames, mask: Mask, ring: Mask) -> float:
    """|mean over the mask - median of the ring|, in levels; 0 where the mask is empty."""
    return abs(float(picture[mask].mean()) - float(np.median(picture[ring]))) if mask.any() else 0.0


def target_kept(
    fused: Frames, visible: Frames, infrared: Frames, box: Box, mask: Mask | None = None
) -> float:
    """The share of a target's contrast that the fused picture keeps; 0 to 1; higher is better.

    |mean of F over the target's mask - median of F over the ring| / the same in the source in which
    it stands out more, at most 1; see `find_target`. The sign is free: a dark person on snow is as
    good as a white one on asphalt. Under 0.35 (`LOST`) the target is lost.

    Returns:
        NaN if neither source shows it at all.
    """
    return find_target(visible, infrared, box, mask).kept(fused)


def detail(picture: Frames) -> Floats:
    """A picture less its Gaussian blur of 3 pixels, in levels, (H, W)."""
    levels = picture.astype(np.float32)
    return levels - cv2.GaussianBlur(levels, (0, 0), DETAIL)


def detail_kept(fused: Frames, visible: Frames, infrared: Frames, box: Box) -> float:
    """The share of the visible frame's detail in the fused picture; 0 to 1; higher is better.

    <F, V> / <V, V> over the box, F and V being the pictures less their Gaussian blur of 3 pixels.
    Clipped: reversed detail is 0, enhanced detail is 1.

    Args:
        fused: the picture to judge.
        visible: the source of the detail.
        infrared: not looked at; all measures take the same pictures.
        box: a region of visible detail.

    Returns:
        NaN if the visible frame has no detail there.
    """
    x, y, width, height = box
    place = slice(y, y + height), slice(x, x + width)
    own, source = (detail(picture)[place].ravel() for picture in (fused, visible))
    return _projection(own, source)


def invented(fused: Frames, visible: Frames, infrared: Frames, sigma: float) -> float:
    """The share of the fused picture's gradients that no source has; 0 to 1; lower is better.

    sum(max(0, |grad F| - M)) / sum |grad F|, M being the largest |grad V| or |grad I| within one
    pixel, all pictures being blurred by a Gaussian. At sigma `FINE`, halos, beads, amplified noise
    and raised contrast count; at `COARSE`, shading that neither source has.

    Args:
        fused: the picture to judge.
        visible: a source.
        infrared: a source.
        sigma: of the Gaussian, in pixels.
    """
    own, *sources = (_gradient(picture, sigma) for picture in (fused, visible, infrared))
    allowed = cv2.dilate(np.maximum(*sources), np.ones((3, 3), np.uint8))
    total = own.sum(dtype=np.float64)
    return float(np.maximum(own - allowed, 0).sum(dtype=np.float64) / total) if total else 0.0


def colour_kept(fused: Frames, visible: Frames) -> float:
    """The share of the visible frame's colour in the fused picture; 0 to 1; higher is better.

    <f, v> / <v, v>, f and v being (a*, b*) of all pixels in CIELAB: where the hue is the same, the
    ratio of chroma; where it is turned, that times the cosine. Clipped to 0..1.

    Args:
        fused: BGR (H, W, 3), or grey (H, W), which keeps no colour.
        visible: BGR (H, W, 3), or grey (H, W).

    Returns:
        NaN if the visible frame has no colour.
    """
    return _projection(_colour(fused), _colour(visible))


def _strong(differences: Floats, inside: Mask) -> Mask:
    """Pixels that differ by more than half of what the strongest do, on the stronger side."""
    sides = differences, -differences
    strengths = [float(np.percentile(side[inside], STRONGEST)) for side in sides]
    side, strength = max(zip(sides, strengths, strict=True), key=lambda pair: pair[1])
    return inside & (side > max(strength, 0) / 2)


def _gradient(picture: Frames, sigma: float) -> Floats:
    """Magnitude of the blurred picture's gradient, levels per pixel."""
    levels = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma)
    along_y, along_x = np.gradient(levels)
    return np.hypot(along_y, along_x)


def _colour(picture: Frames) -> Floats:
    """a* and b* of all pixels, (2 H W,)."""
    if picture.ndim == 2:
        return np.zeros(2 * picture.size, np.float32)
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
    return np.asarray(lab[..., 1:], np.float32).ravel()


def _projection(own: Floats, source: Floats) -> float:
    """<own, source> / <source, source>, clipped to 0..1; NaN where the source has nothing."""
    energy = float(source @ source)
    if energy < NOTHING**2 * len(source):
        return math.nan
    return min(max(float(own @ source) / energy, 0.0), 1.0)
