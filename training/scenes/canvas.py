"""What every painter of a scene shares: the camera, the light, a canvas with four channels."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]
Colour = tuple[float, float, float]  # blue, green, red; linear light


@dataclass(frozen=True)
class Camera:
    """A pinhole `eye` metres above the road; (x, y) is the vanishing point in pixels."""

    focal: float  # pixels
    x: float
    y: float
    eye: float
    bend: float  # the street drifts sideways by bend * z**2 metres
    up: int = 1  # -1 sees the world upside down, as a wet road does

    def project(self, points: ArrayLike) -> Array:
        """Metres (..., 3) to pixels (..., 2)."""
        x, y, z = np.moveaxis(np.asarray(points, np.float32), -1, 0)
        across = self.x + self.focal * (x + self.bend * z * z) / z
        return np.stack([across, self.y - self.up * self.focal * (y - self.eye) / z], axis=-1)

    def cropped(self, left: int, top: int, scale: int) -> "Camera":
        """What sees the part of the frame from (left, top) on, with `scale` times the pixels."""
        x, y = (self.x - left) * scale, (self.y - top) * scale
        return replace(self, focal=self.focal * scale, x=x, y=y)

    def mirrored(self, scale: float) -> "Camera":
        """What sees the street in a mirror in place of the road, with `scale` times the pixels."""
        focal, x, y = self.focal * scale, self.x * scale, self.y * scale
        return replace(self, focal=focal, x=x, y=y, eye=-self.eye, up=-self.up)


@dataclass(frozen=True)
class Light:
    """Lamps that shine downwards: places (n, 3) in metres, powers (n, 3); and the sky (3,)."""

    places: Array
    powers: Array
    sky: Array

    def at(self, points: ArrayLike) -> Array:
        """What arrives at points (..., 3), as blue, green, red."""
        points = np.asarray(points, np.float32)
        total = np.broadcast_to(self.sky, points.shape).copy()
        for place, power in zip(self.places, self.powers, strict=True):
            away = place - points
            square = (away * away).sum(-1, keepdims=True) + 0.6
            total += power * np.maximum(away[..., 1:2], 0) ** 1.5 / square**1.75
        return total


@dataclass(frozen=True)
class Canvas:
    """Pixels (H, W, 4) float32: blue, green and red radiance, and warmth from 0 to 1.

    Where `labels` (H, W) is given, whatever covers a pixel leaves its `label` there.
    """

    pixels: Array
    camera: Camera
    light: Light
    haze: Array  # (4,): what the air looks like
    clear: float | Array  # metres after which 63 % of what is seen is air; (4,): by channel
    labels: NDArray[np.uint8] | None = None
    label: int = 0
    warmth_scale: tuple[float, float] = (
        0,
        1,
    )  # warmth is painted as warmth_scale[0] + warmth_scale[1] * warmth

    def veil(self, values: ArrayLike, z: ArrayLike) -> Array:
        """Values (..., 4) as seen through z metres of air."""
        share = np.exp(-np.asarray(z, np.float32) / self.clear)
        return np.asarray(values, np.float32) * share + self.haze * (1 - share)

    def fill(self, points: ArrayLike, colour: ArrayLike, warmth: float) -> None:
        """Paint a flat polygon (n, 3)."""
        corners = self._polygon(
            points, colour, self.warmth_scale[0] + self.warmth_scale[1] * warmth
        )
        if self.labels is not None:
            cv2.fillPoly(self.labels, [corners], self.label, cv2.LINE_8, 4)

    def _polygon(self, points: ArrayLike, colour: ArrayLike, warmth: float) -> NDArray[np.int32]:
        """Paint a flat polygon (n, 3) without a label; its corners in sixteenths of a pixel."""
        points = np.asarray(points, np.float32)
        value = self.veil([*np.asarray(colour), warmth], points[:, 2].mean())
        corners = np.round(self.camera.project(points) * 16).astype(np.int32)
        cv2.fillPoly(self.pixels, [corners], value.tolist(), cv2.LINE_8, 4)
        return corners

    def hull(self, discs: ArrayLike, z: float, colour: ArrayLike, warmth: float) -> None:
        """Paint the convex hull of upright discs (n, 3): x, y and radius in metres."""
        angles = np.linspace(0, 2 * np.pi, 17)[:-1]
        discs = np.asarray(discs)[:, None]
        rims = discs[..., :2] + discs[..., 2:] * np.stack([np.cos(angles), np.sin(angles)], -1)
        outline = cv2.convexHull(rims.reshape(-1, 2).astype(np.float32))[:, 0]
        self.fill(np.column_stack([outline, np.full(len(outline), z)]), colour, warmth)

    def box(
        self,
        x: float,
        z: float,
        half: float,
        foot: float,
        top: float,
        colour: ArrayLike,
        warmth: float,
    ) -> None:
        """Paint an upright rectangle `half` metres to either side of x, from foot to top."""
        sides = ((x - half, foot), (x + half, foot), (x + half, top), (x - half, top))
        self.fill([(*side, z) for side in sides], colour, warmth)

    def shade(self, x: float, z: float, wide: float, deep: float, warmth: float) -> None:
        """Paint the dark patch of road under something; it is road, so it has no label."""
        angles = np.linspace(0, 2 * np.pi, 17)[:-1]
        ring = np.stack([x + wide * np.cos(angles), 0 * angles, z + deep * np.sin(angles)], -1)
        warmth = self.warmth_scale[0] + self.warmth_scale[1] * warmth
        self._polygon(ring, self.light.at((x, 0, z)) * 0.012, warmth)

    def hang(self, corners: Array, texture: Array) -> None:
        """Paint a texture (h, w, 4) on a wall; corners (4, 3), clockwise from the upper left."""
        quad = self.camera.project(corners)
        limits = self.pixels.shape[1::-1]
        left, top = np.clip(np.floor(quad.min(0)), 0, limits).astype(int).tolist()
        right, bottom = np.clip(np.ceil(quad.max(0)), 0, limits).astype(int).tolist()
        if right <= left or bottom <= top:
            return
        # Shrink by area before the warp, which samples points and would alias.
        w, h = np.clip(np.ptp(quad, axis=0), 2, texture.shape[1::-1]).astype(int).tolist()
        texture = cv2.resize(texture, (w, h), interpolation=cv2.INTER_AREA)
        texture = self.veil(texture, np.linspace(corners[0, 2], corners[1, 2], w)[None, :, None])
        source = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
        quad = (quad - (left, top)).astype(np.float32)
        size, homography = (right - left, bottom - top), cv2.getPerspectiveTransform(source, quad)
        patch = cv2.warpPerspective(texture, homography, size, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, np.round(quad * 16).astype(np.int32), 1, cv2.LINE_8, 4)
        cv2.copyTo(patch, mask, self.pixels[top:bottom, left:right])
        if self.labels is not None:
            self.labels[top:bottom, left:right][mask > 0] = self.label


def noise(rng: np.random.Generator, shape: tuple[int, ...], rows: float, columns: float) -> Array:
    """Smooth noise of a shape (H, W) around 0, with so many bumps down and across."""
    grid = rng.standard_normal((max(2, round(rows)), max(2, round(columns)))).astype(np.float32)
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
