"""The sky above a street, and the road under it with its markings and what it mirrors."""

import cv2
import numpy as np

from training.scenes.canvas import Array, Canvas, noise
from training.scenes.streets import Street


def paint_sky(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Stars, a moon, clouds that the town lights from below; under the horizon, haze."""
    canvas.pixels[:] = canvas.haze
    height, width = canvas.pixels.shape[:2]
    horizon = max(1, min(height, round(canvas.camera.y)))
    sky = canvas.pixels[:horizon]
    down = np.linspace(0, 1, horizon, dtype=np.float32)[:, None]
    glow = 0.9 * down**3 + 0.1 * down * noise(rng, (horizon, width), 4, 5).clip(0, 2)
    sky[:] = street.night + (canvas.haze - street.night) * glow[..., None]
    for x, y, brightness in rng.uniform((0, 0, 0.05), (width, 0.8 * horizon, 0.4), (90, 3)):
        cv2.circle(sky, (int(x), int(y)), 1, (*[brightness] * 3, 0.04), -1)
    moon = round(street.moon[0] * width), round(street.moon[1] * height)
    cv2.circle(sky, moon, max(2, round(0.018 * canvas.camera.focal)), (0.9, 1, 1, 0.05), -1)


def stripe(distance: Array, width: float, pixel: Array) -> Array:
    """The share of a pixel that a stripe of paint covers, both measured in metres on the road."""
    return np.clip((width / 2 - np.abs(distance)) / pixel + 0.5, 0, 1)


def paint_road(canvas: Canvas, street: Street, rng: np.random.Generator, mirrored: Array) -> None:
    """The road and the pavements; `mirrored` (H, W, 4) is the street as a mirror would show it."""
    height, width = canvas.pixels.shape[:2]
    camera, road, half = canvas.camera, street.road, street.road.half
    top = int(np.clip(np.ceil(camera.y + camera.focal * camera.eye / 140), 0, height - 1))
    down = np.arange(top, height, dtype=np.float32)[:, None] + 0.5 - camera.y
    z = camera.focal * camera.eye / down
    pixel, deep = z / camera.focal, z * z / (camera.focal * camera.eye)  # across and along, metres
    x = (np.arange(width, dtype=np.float32) + 0.5 - camera.x) * pixel - camera.bend * z * z
    across, z_all = x - road.middle, np.broadcast_to(z, x.shape)

    grain, lumps = rng.standard_normal((512, 512), np.float32), noise(rng, (512, 512), 40, 40)
    mode = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT_101}
    fine = cv2.remap(grain, x * 23, z_all * 23, **mode) * np.clip(9 / z, 0, 1)
    coarse = cv2.remap(lumps, x * 14, z_all * 7, **mode)

    marks = np.zeros_like(x)
    for index in range(1, road.lanes):
        solid = road.lanes > 2 and 2 * index == road.lanes
        line = stripe(across + half - 2 * half * index / road.lanes, 0.13, pixel)
        marks += line * np.maximum(solid, stripe(z % 6 - 3, 3, deep))
    marks += stripe(np.abs(across) - half + 0.3, 0.10, pixel)
    zebra = stripe(z - road.zebra, 3, deep)
    bars = stripe(across % 1 - 0.5, 0.5, pixel) * stripe(across, 2 * half - 0.4, pixel)
    marks += zebra * (bars - marks)
    slabs = np.maximum(stripe(across % 0.9 - 0.45, 0.03, pixel), stripe(z % 0.9 - 0.45, 0.03, deep))
    asphalt = 0.075 * (1 + 0.25 * fine + 0.12 * coarse)
    asphalt += 0.42 * marks * np.clip(0.75 + 0.2 * coarse + 0.12 * fine, 0.2, 1)
    pavement = 0.17 * (1 + 0.08 * coarse + 0.06 * fine) * (1 - 0.5 * slabs)
    is_road = stripe(across, 2 * half, pixel)
    paint = pavement + (asphalt - pavement) * is_road
    paint += stripe(np.abs(across) - half - 0.1, 0.2, pixel) * (0.22 - paint)  # the kerb

    step = max(2, width // 160)  # light is smooth: a coarse grid will do
    places = np.stack([x, 0 * x, z_all], -1)[::step, ::step]
    shine = cv2.resize(canvas.light.at(places), x.shape[::-1], interpolation=cv2.INTER_LINEAR)
    puddles = np.clip(0.55 + 0.5 * coarse, 0.12, 1) * is_road + 0.25 * (1 - is_road)
    flat = np.exp(-5 * camera.eye / np.hypot(z, camera.eye))  # a flat view mirrors more
    mirror = (road.wet * puddles * (0.05 + 0.9 * flat))[..., None]
    values = np.empty((*x.shape, 4), np.float32)
    values[..., :3] = paint[..., None] * shine * (1 - 0.4 * road.wet)
    values[..., :3] += mirror * mirrored[top:, :, :3]
    values[..., 3] = 0.29 + 0.04 * is_road + 0.012 * coarse
    canvas.pixels[top:] = canvas.veil(values, z[..., None])
