"""Houses along a street: brick, stone or panels, windows, shops. Almost nothing of it is warm."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from training.scenes.canvas import Array, Camera, Canvas, Light, noise

WARMTH = 0.25
BLOCKS = ((0.5, 0.2), (1.1, 0.5), (2.4, 3.1))  # metres: brick, stone, panel
PLASTER = (
    (0.10, 0.14, 0.27),
    (0.22, 0.26, 0.30),
    (0.3, 0.3, 0.3),
    (0.14, 0.22, 0.3),
    (0.26, 0.22, 0.18),
)
TUNGSTEN, WHITE, SKY = (
    np.array(c) for c in ((0.30, 0.62, 1), (0.8, 0.9, 1), (0.016, 0.011, 0.008))
)
NEON = ((0.2, 0.2, 1.0), (1.0, 0.5, 0.1), (0.3, 0.9, 0.2), (0.8, 0.2, 0.9), (0.6, 0.8, 1.0))
WORDS = ("HOTEL", "CAFE", "BOOKS", "BAR", "PIZZA", "RADIO", "24 H", "GRILL")


class House:
    """A wall of so many metres, blank at first, at `scale` pixels a metre.

    `paint` (h, w, 3) is what it reflects, `own` (h, w, 4) its own light and warmth.
    """

    def __init__(self, rng: np.random.Generator, length: float, height: float, scale: float):
        self.rng, self.length, self.height, self.scale = rng, length, height, scale
        h, w = max(4, round(height * scale)), max(4, round(length * scale))
        up = height - (np.arange(h, dtype=np.float32)[:, None] + 0.5) / scale
        along = (np.arange(w, dtype=np.float32) + 0.5) / scale
        wide, tall = BLOCKS[rng.integers(len(BLOCKS))]
        row = np.floor(up / tall)
        column = along / wide + 0.5 * (row % 2)
        tones = rng.normal(1, 0.13, (61, 61)).astype(np.float32)
        tone = tones[row.astype(int) % 61, column.astype(int) % 61]
        joint = np.minimum(column % 1 * wide, up / tall % 1 * tall)
        tone *= (0.55 + 0.45 * np.clip(joint / 0.04, 0, 1)) * (1 + 0.1 * noise(rng, (h, w), 9, 6))
        self.paint = tone[..., None] * np.float32(rng.choice(PLASTER) * rng.uniform(0.6, 1.2))
        self.own = np.zeros((h, w, 4), np.float32)
        self.own[..., 3] = WARMTH + 0.012 * noise(rng, (h, w), 3, 4)

    def area(self, left: float, foot: float, wide: float, tall: float) -> tuple[Array, Array]:
        """Views on a rectangle in metres: of `paint`, and of `own`."""
        metres = (self.height - foot - tall, self.height - foot, left, left + wide)
        top, bottom, start, stop = (max(0, round(value * self.scale)) for value in metres)
        return self.paint[top:bottom, start:stop], self.own[top:bottom, start:stop]

    def front(self) -> None:
        """Add rows of windows, and shops, shutters, doors and vents under them."""
        rng, length = self.rng, self.length
        storey, pitch, lively = rng.uniform((3.0, 2.0, 0.08), (3.7, 3.3, 0.4))
        wide, tall = pitch * rng.uniform(0.40, 0.66), storey * rng.uniform(0.45, 0.66)
        columns = int((length - 0.6) / pitch)
        margin = (length - columns * pitch + pitch - wide) / 2
        for foot in np.arange(storey + 0.7, self.height - tall - 0.3, storey):
            self.area(0, foot - 0.7, length, 0.14)[0][:] *= 1.3
            for column in range(columns):
                self.window(margin + column * pitch, foot, wide, tall, rng.random() < lively)
        self.area(0, self.height - 0.35, length, 0.35)[0][:] *= 1.4
        left = 0.5
        while left + 2.2 < length:
            wide = min(rng.uniform(1.8, 4.6), length - 0.4 - left)
            kind, warmth = rng.random(2)
            self.area(left - 0.12, 0, wide + 0.24, 3.4)[0][:] *= 0.6
            if kind < 0.4:
                self.shop(left, wide)
            elif kind < 0.75:
                shutter, _ = self.area(left, 0, wide, 2.7)
                shutter *= (0.35 + 0.1 * np.sin(np.arange(len(shutter)) * 45 / self.scale))[
                    :, None, None
                ]
            else:
                self.area(left, 0, 1.1, 2.3)[0][:] = (0.05, 0.07, 0.12)  # a door
                self.area(left + 1.4, 0.5, 0.5, 0.4)[1][..., 3] = 0.5 + 0.3 * warmth  # a vent
            left += wide + 0.5

    def window(self, left: float, foot: float, wide: float, tall: float, lit: bool) -> None:
        """Add a window: a room with curtains, or a mirror of the sky."""
        self.area(left - 0.12, foot - 0.14, wide + 0.24, tall + 0.24)[0][:] *= 1.4
        paint, own = self.area(left, foot, wide, tall)
        paint[:] = 0.02
        hue, folds, brightness, warmth = self.rng.random(4)
        down, across = np.linspace(1, 0.4, len(own))[:, None, None], np.linspace(0, 9, own.shape[1])
        room = (TUNGSTEN * (1 - hue) + WHITE * hue) * (0.1 + 0.5 * brightness)
        room = down * room * (1 - 0.5 * np.abs(np.sin(across)) ** 6 * (folds > 0.5))[:, None]
        own[..., :3] = room if lit else (1.1 - down) * SKY * brightness
        own[..., 3] = 0.21 + 0.12 * warmth**2 + 0.10 * lit
        for bar in (left, left + wide / 2 - 0.03, left + wide - 0.06):
            paint, own = self.area(bar, foot, 0.06, tall)
            paint[:], own[..., :3] = 0.25, 0

    def shop(self, left: float, wide: float) -> None:
        """Add a shop window with goods on four shelves, and a neon sign."""
        rng, (_, glass), (_, sign) = (
            self.rng,
            self.area(left, 0.5, wide, 2.2),
            self.area(left, 2.8, wide, 0.5),
        )
        goods = rng.uniform(0.25, 1, (4, max(2, round(wide * 5))))
        down, across = (np.arange(n) / max(n, 1) for n in glass.shape[:2])
        goods = goods[(down * 4).astype(int)[:, None], (across * goods.shape[1]).astype(int)]
        goods *= np.where(down * 4 % 1 < 0.12, 0.2, 1 - 0.5 * down)[:, None]
        glass[..., :3] = goods[..., None] * rng.choice((TUNGSTEN, WHITE)) * rng.uniform(0.3, 0.8)
        glass[..., 3] = 0.40
        letters = np.zeros((40, round(80 * wide)), np.uint8)
        cv2.putText(letters, rng.choice(WORDS), (12, 32), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 4)
        if sign.size:
            letters = cv2.resize(letters, sign.shape[1::-1], interpolation=cv2.INTER_AREA)
            sign[..., :3] = rng.choice(NEON) * (0.1 + letters[..., None] / 160)


class Wall(NamedTuple):
    """A texture (h, w, 4) and the corners (4, 3) of its wall, clockwise from the upper left."""

    corners: Array
    texture: Array

    @property
    def z(self) -> float:
        """A wall across the street goes up just before the house front that hides its foot."""
        left, right = self.corners[:2, 2]
        return float(max(left, right)) + 0.01 * float(left == right)

    def paint(self, canvas: Canvas) -> None:
        """Hang the texture."""
        canvas.hang(self.corners, self.texture)


def erect(
    house: House, left: tuple[float, float], right: tuple[float, float], light: Light
) -> Wall:
    """A house between two points (x, z), as seen by the light that falls on it."""
    (x0, z0), (x1, z1), height = left, right, house.height
    across, up = np.linspace(0, 1, 24)[:, None], np.linspace(1, 0, 24)[:, None, None]
    places = (x0, 0, z0) + across * (x1 - x0, 0, z1 - z0) + up * (0, height, 0)
    house.own[..., :3] += house.paint * cv2.resize(light.at(places), house.paint.shape[1::-1])
    corners = ((x0, height, z0), (x1, height, z1), (x1, 0, z1), (x0, 0, z0))
    return Wall(np.array(corners, np.float32), house.own)


def build(
    rng: np.random.Generator, camera: Camera, width: int, light: Light, middle: float, edge: float
) -> list[Wall]:
    """Houses on both sides, `edge` metres from the middle of the road, and some that close it."""
    walls, low = [], rng.uniform(6, 14)

    def add(x0: float, z0: float, x1: float, z1: float, height: float, front: bool) -> None:
        scale = min(camera.focal / min(z0, z1), 36 if front else 20)
        house = House(rng, math.hypot(x1 - x0, z1 - z0), height, scale)
        if front:
            house.front()
        walls.append(erect(house, (x0, z0), (x1, z1), light))

    for side in (-1, 1):
        far = rng.uniform(-6, 2)
        while far < 110:
            near = far + rng.uniform(2, 6) * (rng.random() < 0.25)
            far, height = near + rng.uniform(8, 19), low * rng.uniform(0.8, 1.9)
            x = middle + side * (edge + rng.uniform(0, 0.8))
            # Only what is in the frame: nothing before `cut`, nothing above `top`.
            cut = 0.75 * camera.focal * abs(x) / (camera.x if side < 0 else width - camera.x)
            top = camera.eye + 5 + far * camera.y / camera.focal
            start = max(near, cut, 1.5)
            if near == start:
                add(min(x, x + 9 * side), near, max(x, x + 9 * side), near, height, False)
            if far > start + 1:
                ends = (start, far) if side < 0 else (far, start)
                add(x, ends[0], x, ends[1], min(height, top), True)
    for x in range(-90, 90, 18):
        z = rng.uniform(115, 150)
        left = x - camera.bend * z * z
        add(left, z, left + 18, z, low * rng.uniform(0.8, 2.2), True)
    return walls
