"""A hard scene: things before a background, from far to near, then what cameras add."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.scenes import sensors
from training.scenes.canvas import Canvas, noise
from training.scenes.kinds import CONDITIONS, HARD, Hard
from training.scenes.places import Item, furnish
from training.scenes.scenery import blow_smoke
from training.scenes.targets import HIDDEN, Scene, Target


def draw_hard(kind: Hard, seed: int, height: int, width: int) -> Scene:
    """Draw a scene of one kind, with all its targets."""
    rng = np.random.default_rng((seed, 1 + HARD.index(kind)))
    conditions = CONDITIONS[kind]
    canvas, items, lean = furnish(conditions, rng, height, width)
    whole: list[Target] = []
    seen: list[NDArray[np.bool_]] = []
    for item in sorted(items, key=lambda item: -item.z):
        if item.target:
            cast_shadow(canvas, item, lean)
        cover = stamp(canvas, item, rng)
        for mask in seen:
            mask &= ~cover
        if item.target:
            whole.append(Target(item.target, cover))
            seen.append(cover.copy())
    if conditions.smoke:
        blow_smoke(canvas.pixels, rng, canvas.light.sky)
    return Scene(
        sensors.exposed(
            canvas.pixels[..., :3],
            rng,
            rng.uniform(*conditions.grain),
            rng.uniform(*conditions.glare),
        ),
        sensors.microbolometer(
            canvas.pixels[..., 3], rng, rng.uniform(*conditions.pattern), conditions.black_hot
        ),
        [
            Target(target.kind, mask)
            for target, mask in zip(whole, seen, strict=True)
            if mask.sum() > HIDDEN * target.mask.sum()
        ],
    )


def stamp(canvas: Canvas, item: Item, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Paint an item with smooth edges; the pixels (H, W) that it covers."""
    height, width = canvas.pixels.shape[:2]
    cover = np.zeros((height, width), bool)
    sides, tops, depths = (
        (item.x - item.half, item.x + item.half),
        (-0.1, item.tall),
        (item.z, item.z + item.deep),
    )
    corners = canvas.camera.project([(x, y, z) for x in sides for y in tops for z in depths])
    left, top = np.clip(np.floor(corners.min(0)) - 2, 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corners.max(0)) + 2, 0, (width, height)).astype(int).tolist()
    if right - left < 2 or bottom - top < 2:
        return cover
    area = (right - left) * (bottom - top) / (height * width)
    scale = 3 if area < 0.04 else 2 if area < 0.2 else 1
    part = canvas.pixels[top:bottom, left:right]
    size = ((right - left) * scale, (bottom - top) * scale)
    pixels = cv2.resize(part, size, interpolation=cv2.INTER_NEAREST)
    labels = np.zeros(pixels.shape[:2], np.uint8)
    local = replace(
        canvas,
        pixels=pixels,
        camera=canvas.camera.cropped(left, top, scale),
        labels=labels,
        label=1,
        warmth_scale=item.warmth_scale,
    )
    item.thing.paint(local)
    if item.target:  # folds, dirt, light from one side
        folds = cv2.resize(noise(rng, part.shape, item.tall * 7, item.half * 9), size)
        aside = np.linspace(-1, 1, size[0], dtype=np.float32) * np.float32(rng.uniform(-0.3, 0.3))
        soft = 0.05 if item.target == "vehicle" else 0.14  # sheet metal has no folds
        painted = labels > 0
        pixels[painted, :3] *= np.clip(1 + soft * folds + aside, 0.3, 2)[painted][:, None]
        pixels[painted, 3] += 0.15 * soft * item.warmth_scale[1] * folds[painted]
    part[:] = cv2.resize(pixels, part.shape[1::-1], interpolation=cv2.INTER_AREA)
    share = cv2.resize(labels.astype(np.float32), part.shape[1::-1], interpolation=cv2.INTER_AREA)
    cover[top:bottom, left:right] = share > 0.5
    return cover


def darken(canvas: Canvas, ground: ArrayLike, share: float) -> None:
    """Keep a share of the light off a patch of ground (n, 3), which is then a little cooler."""
    corners = np.round(canvas.camera.project(ground) * 16).astype(np.int32)
    mask = np.zeros(canvas.pixels.shape[:2], np.uint8)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
    x, y, wide, tall = cv2.boundingRect(mask)
    if not wide:
        return
    rim = max(1, min(wide, tall) // 6)
    top, left = max(0, y - rim), max(0, x - rim)
    box = np.s_[top : y + tall + rim, left : x + wide + rim]
    depth = cv2.GaussianBlur(mask[box], (0, 0), rim / 2)[..., None] / np.float32(255)
    canvas.pixels[box] *= 1 - depth * np.float32((share, share, share, 0.03))


def cast_shadow(canvas: Canvas, item: Item, lean: float | None) -> None:
    """Darken the ground under an item, and where it keeps the sun away."""
    x, z, half = item.x, item.z, item.half
    share = 0.75 * float(np.exp(-z / np.min(canvas.clear)))
    angles = np.linspace(0, 2 * np.pi, 17)[:-1]
    ring = np.stack([0.6 * half * np.cos(angles), 0 * angles, 0.16 * np.sin(angles)], -1)
    darken(canvas, ring + np.array((x, 0, z)), share if not item.deep else 0.2 * share)
    if lean is not None:
        tip, back = lean * item.tall, 0.4 * item.tall
        flat = ((-0.2, 0), (0.2, 0), (0.45, 0.6), (0.25, 1), (-0.25, 1), (-0.45, 0.6))
        if item.deep:
            flat = ((-0.8, 0), (0.8, 0), (0.8, 0.5), (0.6, 1), (-0.6, 1), (-0.8, 0.5))
        ground = [
            (x + half * across + tip * up, 0, z + up * (item.deep + back)) for across, up in flat
        ]
        darken(canvas, ground, 0.7 * share)
