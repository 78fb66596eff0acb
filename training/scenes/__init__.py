"""Scenes, drawn: aligned visible and infrared frames for tests, demos, training and measuring.

A scene is a small world in metres. Every shape is painted once with four values, blue, green and
red light and warmth, so the two frames are aligned by construction. What cameras add comes at the
end, for each on its own. So a person beside headlights is lost in the visible frame for the reason
that one is lost in a real frame, and the infrared frame knows nothing of paint.

`render` draws streets at night; `scene` also says where people, animals and vehicles are, and draws
what is hard to fuse, too.
"""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scenes import sensors
from training.scenes.canvas import Canvas
from training.scenes.figures import Car, Person
from training.scenes.hard import draw_hard
from training.scenes.kinds import HARD, Hard, Kind
from training.scenes.streets import Street, invent
from training.scenes.surroundings import paint_road, paint_sky
from training.scenes.targets import HIDDEN, Scene, Target, TargetKind, plain

__all__ = ["HARD", "Kind", "Scene", "Target", "film", "hard_kind", "hard_scene", "render", "scene"]


def render(
    seed: int, height: int = 480, width: int = 640
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a street at night.

    Args:
        seed: which street; the same seed and size give the same frames.
        height: pixels, 32 or more.
        width: pixels, 32 or more.

    Returns:
        visible uint8 (H, W, 3) BGR, and infrared uint8 (H, W), brighter where warmer.
    """
    drawn = draw_street(seed, height, width)
    return drawn.visible, drawn.infrared


def film(
    seed: int, frames: int, rate: float, height: int = 480, width: int = 640
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Draw a street at night in which people walk, seen by cameras that stand still.

    Args:
        seed: which street, as in `render`, whose frames are the first ones.
        frames: how many pairs.
        rate: frames per second.
        height: pixels, 32 or more.
        width: pixels, 32 or more.

    Yields:
        visible uint8 (H, W, 3) BGR, and infrared uint8 (H, W), each with noise of its own.
    """
    for index in range(frames):
        drawn = draw_street(seed, height, width, index / rate)
        yield drawn.visible, drawn.infrared


def scene(seed: int, height: int = 480, width: int = 640, kind: Kind = "street") -> Scene:
    """Draw a scene and say what is to be found in it.

    Args:
        seed: which scene; the same seed, size and kind give the same scene.
        height: pixels, 32 or more.
        width: pixels, 32 or more.
        kind: "street" is what `render` draws; `kinds` describes the others.

    Returns:
        The frames, and the targets that at least one of them shows plainly; see `targets`.
    """
    return plain(
        draw_street(seed, height, width)
        if kind == "street"
        else draw_hard(kind, seed, height, width)
    )


def hard_scene(seed: int, height: int = 480, width: int = 640) -> Scene:
    """Draw a scene that is hard to fuse: the kinds of `hard_kind` in turn."""
    return scene(seed, height, width, hard_kind(seed))


def hard_kind(seed: int) -> Hard:
    """The kind that `hard_scene` draws for a seed."""
    return HARD[seed % len(HARD)]


def draw_street(seed: int, height: int, width: int, seconds: float = 0.0) -> Scene:
    """Draw a street at night, so many seconds after it was invented, with all its targets."""
    rng = np.random.default_rng(seed)
    finer = max(2, round(480 / height))  # edges are smoothed by drawing larger
    tall, wide = height * finer, width * finer
    street = invent(rng, tall, wide).after(seconds)
    canvas = Canvas(
        np.empty((tall, wide, 4), np.float32),
        street.camera,
        street.light,
        street.haze,
        street.clear,
    )
    paint_sky(canvas, street, rng)
    paint_road(canvas, street, rng, mirrored(canvas, street))
    labels = np.zeros((tall, wide), np.uint8)
    found: list[tuple[TargetKind, int]] = []  # and of how many pixels, before others cover them
    for thing in street.things:
        label = len(found) + 1 if isinstance(thing, Car | Person) else 0
        thing.paint(replace(canvas, labels=labels, label=label))
        if label:
            kind: TargetKind = "person" if isinstance(thing, Person) else "vehicle"
            found.append((kind, cv2.countNonZero((labels == label).view(np.uint8))))
    pixels = cv2.resize(canvas.pixels, (width, height), interpolation=cv2.INTER_AREA)
    targets = []
    for label, (kind, whole) in enumerate(found, 1):
        cover = (labels == label).astype(np.float32)
        mask = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA) > 0.5
        if cover.sum() > HIDDEN * whole:
            targets.append(Target(kind, mask))
    rng = np.random.default_rng((seed, round(1000 * seconds))) if seconds else rng  # new noise
    visible = sensors.visible(pixels[..., :3], rng)
    return Scene(visible, sensors.infrared(pixels[..., 3], rng), targets)


def mirrored(canvas: Canvas, street: Street) -> NDArray[np.float32]:
    """The street (H, W, 4) as a wet road shows it: upside down and smeared towards the camera."""
    height, width = canvas.pixels.shape[:2]
    pixels = np.empty((height // 2, width // 2, 4), np.float32)
    pixels[:] = canvas.haze
    half = replace(canvas, pixels=pixels, camera=canvas.camera.mirrored(0.5))
    for thing in street.things:
        thing.paint(half)
    sigma = 0.012 * height
    pixels = cv2.GaussianBlur(np.minimum(pixels, 14), (0, 0), sigmaX=sigma / 6, sigmaY=sigma)
    return cv2.resize(pixels, (width, height))
