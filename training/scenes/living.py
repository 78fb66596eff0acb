"""People, cyclists and animals in some detail. Metres, upright in the plane z.

Each is painted as capsules: a darker, cooler rim, then the middle. Warmth is of bare skin at 0.93
and of clothes between 0.5 and 0.7; a canvas's `warmth_scale` shifts and scales it for the weather.
"""

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from training.scenes.canvas import Canvas, Colour

BLACK = (0.02, 0.02, 0.02)
Disc = tuple[float, float, float]  # x, y, radius
Part = tuple[tuple[Disc, ...], Colour, float]  # what, its colour, its warmth


class Clothes(NamedTuple):
    """What somebody wears."""

    coat: Colour
    trousers: Colour
    skin: Colour
    cap: Colour  # or hair
    hem: float  # metres above the ground: 0.85 is a jacket, 0.5 a coat
    bag: bool


CIRCLE = np.exp(2j * np.pi * np.arange(16) / 16)[:, None].view(np.float64).astype(np.float32)


def paint(canvas: Canvas, parts: list[Part], x: float, z: float, size: float) -> None:
    """Paint parts, given around x = 0, at (x, z), `size` times as large."""
    light = canvas.light.at((x, size, z))
    scale, foot = canvas.camera.focal / z * size, canvas.camera.project((x, 0, z))
    offset, gain = canvas.warmth_scale
    for discs, colour, warmth in parts:
        placed = np.array(discs, np.float32)
        for share, shine, cooler in ((1, 0.7, 0.05), (0.65, 1, 0)):
            rims = placed[:, None, :2] + placed[:, None, 2:] * share * CIRCLE
            points = (foot + rims.reshape(-1, 2) * (scale, -scale)) * 16
            outline = cv2.convexHull(np.round(points).astype(np.int32))
            value = [*(light * colour * shine), offset + gain * (warmth - cooler)]
            value = canvas.veil(value, z).tolist()
            cv2.fillConvexPoly(canvas.pixels, outline, value, cv2.LINE_8, 4)
            if canvas.labels is not None:
                cv2.fillConvexPoly(canvas.labels, outline, canvas.label, cv2.LINE_8, 4)


def head(clothes: Clothes, x: float, y: float, facing: int) -> list[Part]:
    """A head of which the face is seen from the front (0) or from the side (-1, 1)."""
    return [
        (((x, y - 0.19, 0.055), (x, y - 0.08, 0.055)), clothes.skin, 0.88),
        (((x, y - 0.03, 0.085), (x, y + 0.05, 0.095)), clothes.skin, 0.93),
        (
            ((x - 0.03 * facing, y + 0.06, 0.092), (x - 0.05 * facing, y + 0.02, 0.075)),
            clothes.cap,
            0.72,
        ),
    ]


def shaded(colour: Colour, share: float) -> Colour:
    """A colour with less light on it."""
    blue, green, red = colour
    return blue * share, green * share, red * share


class Walker(NamedTuple):
    """Somebody who stands or walks; stride from 0 to 1, facing -1, 0 (us) or 1."""

    x: float
    z: float
    height: float
    clothes: Clothes
    stride: float
    facing: int

    def paint(self, canvas: Canvas) -> None:
        """Paint legs, trunk, arms and head."""
        wear, side, step = self.clothes, self.facing, 0.26 * self.stride
        parts: list[Part] = []

        def leg(hip: float, knee: float, foot: float, share: float) -> None:
            cloth = shaded(wear.trousers, share)
            lift = 0.05 * self.stride * (foot * side < 0)
            parts.append((((hip, 0.90, 0.095), (knee, 0.50, 0.07)), cloth, 0.66))
            parts.append((((knee, 0.50, 0.068), (foot, 0.11 + lift, 0.05)), cloth, 0.60))
            toe = foot + (0.13 * side or 0.02)
            parts.append((((foot, 0.05 + lift, 0.05), (toe, 0.04, 0.035)), BLACK, 0.45))

        def arm(shoulder: float, elbow: float, hand: float, share: float) -> None:
            cloth = shaded(wear.coat, share)
            parts.append((((shoulder, 1.40, 0.06), (elbow, 1.12, 0.052)), cloth, 0.64))
            parts.append((((elbow, 1.12, 0.05), (hand, 0.88, 0.042)), cloth, 0.60))
            parts.append((((hand, 0.82, 0.045), (hand, 0.80, 0.04)), wear.skin, 0.82))

        if side:
            leg(0, -0.4 * step * side, -1.2 * step * side, 0.7)
            arm(0, 0.5 * step * side, 1.1 * step * side, 0.7)
            trunk = ((0.02 * side, 1.38, 0.115), (-0.01 * side, 1.15, 0.12))
            skirt = ((-0.01 * side, 1.15, 0.12), (0, wear.hem + 0.1, 0.125))
            leg(0, 0.7 * step * side, 1.1 * step * side, 1)
        else:
            leg(-0.09, -0.10, -0.10 - 0.1 * step, 0.9)
            leg(0.09, 0.10, 0.10 + 0.1 * step, 0.9)
            trunk = (
                (-0.13, 1.38, 0.075),
                (0.13, 1.38, 0.075),
                (0.09, 1.1, 0.09),
                (-0.09, 1.1, 0.09),
            )
            skirt = (
                (-0.135, 1.36, 0.075),
                (0.135, 1.36, 0.075),
                (0.11, wear.hem + 0.07, 0.075),
                (-0.11, wear.hem + 0.07, 0.075),
            )
        parts += [(skirt, wear.coat, 0.66), (trunk, wear.coat, 0.70)]
        if side:
            arm(0, -0.5 * step * side, -1.0 * step * side, 0.85)
        else:
            arm(-0.185, -0.22, -0.23 + 0.2 * step, 0.85)
            arm(0.185, 0.22, 0.23 - 0.2 * step, 0.85)
        if wear.bag:
            bag = -0.20 * side if side else 0.3
            parts.append((((bag, 1.34, 0.08), (bag, 1.02, 0.09)), BLACK, 0.42))
        parts += head(wear, 0.03 * side, 1.61, side)
        paint(canvas, parts, self.x, self.z, self.height / 1.76)


class Rider(NamedTuple):
    """A cyclist who crosses to the left (-1) or the right (1)."""

    x: float
    z: float
    height: float
    clothes: Clothes
    facing: int

    def paint(self, canvas: Canvas) -> None:
        """Paint the bicycle, then whoever sits on it."""
        side, wear, size = self.facing, self.clothes, self.height / 1.76
        angles = np.linspace(0, 2 * np.pi, 25)
        light = canvas.light.at((self.x, 1, self.z))
        for hub in (-0.52, 0.52):
            rim = [
                (self.x + size * (hub + r * np.cos(a)), size * (0.34 + r * np.sin(a)), self.z)
                for r, turn in ((0.34, angles), (0.29, angles[::-1]))
                for a in turn
            ]
            canvas.fill(rim, light * 0.03, 0.38)
        frame = ((-0.52, 0.34), (-0.16, 0.86), (0.42, 0.84), (-0.02, 0.32), (-0.52, 0.34))
        parts: list[Part] = [
            (((a * side, b, 0.025), (c * side, d, 0.025)), (0.05, 0.05, 0.3), 0.3)
            for (a, b), (c, d) in pairwise(frame)
        ]
        parts.append((((0.42 * side, 0.98, 0.022), (0.52 * side, 0.34, 0.02)), BLACK, 0.3))
        for knee, foot, share in (
            ((0.22, 0.66), (0.06, 0.20), 0.7),
            ((0.26, 0.78), (0.14, 0.42), 1),
        ):
            cloth = shaded(wear.trousers, share)
            (kx, ky), (fx, fy) = knee, foot
            parts.append((((-0.14 * side, 0.98, 0.10), (kx * side, ky, 0.075)), cloth, 0.68))
            parts.append((((kx * side, ky, 0.07), (fx * side, fy, 0.05)), cloth, 0.64))
            parts.append((((fx * side, fy, 0.05), ((fx + 0.1) * side, fy, 0.035)), BLACK, 0.45))
        trunk = ((-0.14 * side, 1.02, 0.12), (0.10 * side, 1.42, 0.12))
        parts.append((trunk, wear.coat, 0.70))
        parts.append((((0.10 * side, 1.40, 0.06), (0.26 * side, 1.16, 0.05)), wear.coat, 0.64))
        parts.append((((0.26 * side, 1.16, 0.05), (0.44 * side, 1.02, 0.04)), wear.coat, 0.62))
        parts += head(wear, 0.18 * side, 1.66, side)
        paint(canvas, parts, self.x, self.z, size)


class Beast(NamedTuple):
    """A dog (`legs` about 0.9) or a deer (1.6): longer legs, a longer neck."""

    x: float
    z: float
    size: float
    legs: float
    fur: Colour
    facing: int

    def paint(self, canvas: Canvas) -> None:
        """Paint legs, body, neck, head and tail."""
        side, up = self.facing, 0.38 * self.legs
        parts: list[Part] = []
        for hip, foot, share in (
            (-0.32, -0.40, 0.7),
            (0.28, 0.36, 0.7),
            (-0.3, -0.26, 1),
            (0.3, 0.24, 1),
        ):
            fur = shaded(self.fur, share)
            parts.append((((hip * side, up, 0.07), (foot * side, up / 2, 0.04)), fur, 0.70))
            parts.append((((foot * side, up / 2, 0.035), (foot * side, 0.03, 0.03)), fur, 0.62))
        back = up + 0.10
        body = ((-0.32 * side, back, 0.14), (0.28 * side, back, 0.155))
        nose = 0.42 + 0.1 * self.legs
        crown = back + 0.2 * self.legs**1.5
        parts += [
            (body, self.fur, 0.72),
            (((-0.4 * side, back + 0.05, 0.04), (-0.55 * side, back + 0.1, 0.03)), self.fur, 0.6),
            (((0.32 * side, back + 0.05, 0.10), (nose * side, crown, 0.07)), self.fur, 0.78),
            (
                ((nose * side, crown + 0.02, 0.075), ((nose + 0.2) * side, crown - 0.04, 0.045)),
                self.fur,
                0.86,
            ),
            (
                (((nose - 0.03) * side, crown + 0.14, 0.025), (nose * side, crown + 0.05, 0.03)),
                self.fur,
                0.80,
            ),
        ]
        paint(canvas, parts, self.x, self.z, self.size)
