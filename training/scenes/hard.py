"""Composes a hard scene: ground, backdrop and things from far to near, then what cameras add."""

from dataclasses import replace
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scenes import sensors
from training.scenes.canvas import Camera, Canvas, Colour, Light, noise
from training.scenes.figures import LENGTH, Car, Lamp
from training.scenes.houses import House, erect
from training.scenes.kinds import CONDITIONS, Backdrop, Conditions, Hard
from training.scenes.living import Beast, Clothes, Rider, Walker
from training.scenes.scenery import (
    SNOW,
    Board,
    Tree,
    blow_smoke,
    paint_ground,
    paint_hills,
    paint_sky,
)
from training.scenes.streets import LAMPS, lighting
from training.scenes.targets import HIDDEN, Scene, Target, TargetKind, plain

CLOTH = (
    (0.45, 0.14, 0.05),
    (0.06, 0.05, 0.5),
    (0.07, 0.4, 0.5),
    (0.62, 0.62, 0.6),
    (0.1, 0.25, 0.08),
)
DARK = ((0.022, 0.02, 0.02), (0.05, 0.03, 0.022), (0.02, 0.022, 0.035), (0.04, 0.04, 0.04))
SKINS = ((0.22, 0.30, 0.46), (0.14, 0.20, 0.34), (0.05, 0.07, 0.13))
FURS = ((0.05, 0.08, 0.13), (0.02, 0.02, 0.02), (0.25, 0.32, 0.38), (0.06, 0.10, 0.18))
PAINTS = (
    (0.6, 0.6, 0.6),
    (0.02, 0.02, 0.02),
    (0.05, 0.04, 0.35),
    (0.3, 0.15, 0.05),
    (0.2, 0.2, 0.2),
)
LEAVES = (0.02, 0.09, 0.045)


class Thing(Protocol):
    """What can be painted."""

    def paint(self, canvas: Canvas) -> None:
        """Paint it."""


class Item(NamedTuple):
    """A thing, the box in metres that it fits in, and how warm it is (see Canvas.heat)."""

    thing: Thing
    target: TargetKind | None
    x: float
    z: float
    half: float
    tall: float
    deep: float = 0
    heat: tuple[float, float] = (0, 1)


class Stage(NamedTuple):
    """Where things may stand: nearer than `far`, no further than `edge` from `middle`."""

    conditions: Conditions
    canvas: Canvas
    rng: np.random.Generator
    backdrop: Backdrop
    middle: float
    half: float  # of the road
    edge: float
    far: float
    ground: float  # its warmth
    winter: bool


def draw_hard(kind: Hard, seed: int, height: int, width: int) -> Scene:
    """Draw a scene of one kind; see `training.scenes.scene`."""
    rng = np.random.default_rng((seed, 1))
    conditions = CONDITIONS[kind]
    stage, items = furnish(conditions, rng, height, width)
    canvas = stage.canvas
    lean = rng.uniform(-1.2, 1.2) if canvas.light.sky[0] > 1 and rng.random() < 0.6 else None
    covers: list[NDArray[np.bool_]] = []
    targets: list[tuple[TargetKind, int]] = []
    for item in sorted(items, key=lambda item: -item.z):
        if lean is not None and item.tall < 3:
            cast_shadow(canvas, item, lean)
        cover = stamp(canvas, item, rng)
        for hidden in covers:
            hidden &= ~cover
        if item.target:
            covers.append(cover)
            targets.append((item.target, int(cover.sum())))
    if conditions.smoke:
        blow_smoke(canvas.pixels, rng, canvas.light.sky)
    grain, pattern, glare = rng.uniform(
        *np.transpose((conditions.grain, conditions.pattern, conditions.glare))
    )
    return plain(
        Scene(
            sensors.exposed(canvas.pixels[..., :3], rng, grain, glare),
            sensors.microbolometer(canvas.pixels[..., 3], rng, pattern, conditions.black_hot),
            [
                Target(kind, mask)
                for (kind, whole), mask in zip(targets, covers, strict=True)
                if mask.sum() > HIDDEN * whole
            ],
        )
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
    scale = 3 if (right - left) * (bottom - top) < 20_000 else 2
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
        heat=item.heat,
    )
    item.thing.paint(local)
    if item.target:  # folds, dirt, light from one side
        folds = noise(rng, labels.shape, item.tall * 7, item.half * 9)
        aside = np.linspace(-1, 1, size[0], dtype=np.float32) * np.float32(rng.uniform(-0.3, 0.3))
        tone = np.clip(1 + 0.13 * folds + aside, 0.3, 2)
        painted = labels > 0
        pixels[..., :3][painted] *= tone[painted][:, None]
        pixels[..., 3][painted] += 0.02 * item.heat[1] * folds[painted]
    part[:] = cv2.resize(pixels, part.shape[1::-1], interpolation=cv2.INTER_AREA)
    share = cv2.resize(labels.astype(np.float32), part.shape[1::-1], interpolation=cv2.INTER_AREA)
    cover[top:bottom, left:right] = share >= 0.5
    return cover


def cast_shadow(canvas: Canvas, item: Item, lean: float) -> None:
    """Darken the ground where an item keeps the sun away; the infrared frame shows it faintly."""
    x, z, half, tip, back = item.x, item.z, 0.7 * item.half, lean * item.tall, 0.5 * item.tall
    end = item.z + item.deep + back
    ground = (
        (x - half, 0, z),
        (x + half, 0, z),
        (x + half + tip, 0, end),
        (x - half + tip, 0, end),
    )
    corners = np.round(canvas.camera.project(ground) * 16).astype(np.int32)
    mask = np.zeros(canvas.pixels.shape[:2], np.uint8)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
    x0, y0, wide, tall = cv2.boundingRect(mask)
    box = np.s_[y0 : y0 + tall, x0 : x0 + wide]
    share = mask[box][..., None] / np.float32(255)
    canvas.pixels[box] *= 1 - share * np.float32((0.5, 0.55, 0.6, 0.04))


def furnish(
    conditions: Conditions, rng: np.random.Generator, height: int, width: int
) -> tuple[Stage, list[Item]]:
    """Paint sky and ground; choose what stands there."""
    eye = rng.uniform(1.4, 4.5)
    focal = rng.uniform(0.85, 1.5) * float(np.sqrt(height * width))
    camera = Camera(
        focal,
        width * rng.uniform(0.4, 0.6),
        height * rng.uniform(0.36, 0.5) - 0.012 * eye * height,
        eye,
        0,
    )
    backdrop = conditions.backdrops[rng.integers(len(conditions.backdrops))]
    road, verge, marked = conditions.grounds[rng.integers(len(conditions.grounds))]
    half = rng.uniform(2.6, 5) if marked else rng.uniform(1.2, 2.2)
    middle = rng.uniform(-0.6, 0.6) * half
    edge = half + rng.uniform(1.8, 4) if backdrop == "street" else 60.0
    far = rng.uniform(11, 20) if backdrop == "wall" else 34.0
    sky, cover, warmth = rng.uniform(
        *np.transpose((conditions.sky, conditions.cover, conditions.ground))
    )

    cars = place_cars(conditions, rng, camera, width, middle, half, far)
    lamps = []
    if sky < 1:
        colour, reach = LAMPS[rng.integers(3)], rng.choice((-1.6, 1.6))
        lamps = [
            Lamp(
                middle - np.sign(reach) * (half + 0.4), float(z), reach, colour, rng.random() < 0.7
            )
            for z in np.arange(rng.uniform(9, 16), far, rng.uniform(9, 16))
        ]
        lamps = lamps or [Lamp(middle + half, far - 1.0, -1.6, colour, True)]
    blue = np.array((1.0, 0.93, 0.86)) if sky > 1 else np.array((1.3, 1, 0.8))
    light = Light(
        np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), np.float32(sky * blue)
    )
    if lamps:
        lit = (
            lighting(rng, lamps, cars)
            if any(lamp.on for lamp in lamps) or any(c.running and c.coming for c in cars)
            else light
        )
        light = replace(lit, sky=light.sky)
    clear = rng.uniform(*conditions.clear)
    snow = verge is SNOW
    air = 0.9 if clear < 60 else rng.uniform(0.5, 0.9)
    haze = np.float32((*(sky * air * np.array((1, 0.98, 0.95))), warmth - 0.1))
    depths = np.float32((clear, clear, clear, 6 * clear))
    canvas = Canvas(np.empty((height, width, 4), np.float32), camera, light, haze, depths)
    zenith = np.float32(
        (
            *(sky * rng.uniform(0.35, 0.6) * np.array((1.25, 0.85, 0.6))),
            warmth - rng.uniform(0.25, 0.5),
        )
    )
    if clear < 60:
        zenith = haze
    paint_sky(canvas, rng, zenith, cover)
    for distance, high in ((160, 22), (90, 9)):
        paint = (0.10, 0.11, 0.10) if snow else (0.045, 0.075, 0.06)
        paint_hills(canvas, rng, distance, high * rng.uniform(0.5, 1.1), paint, warmth - 0.04)
    paint_ground(canvas, rng, road, verge, warmth, middle, half, marked)
    stage = Stage(conditions, canvas, rng, backdrop, middle, half, edge, far, warmth, snow)
    items = [
        Item(lamp, None, lamp.x + lamp.reach / 2, lamp.z, 1.4, 7.8, heat=(warmth - 0.25, 1))
        for lamp in lamps
    ]
    return stage, items + raise_backdrop(stage, width) + warm_cars(stage, cars) + place_living(
        stage, cars, width
    )


def raise_backdrop(stage: Stage, width: int) -> list[Item]:
    """Houses along the street, one across it with signs, or trees."""
    rng, camera = stage.rng, stage.canvas.camera
    wall = rng.uniform(*stage.conditions.wall)
    items: list[Item] = []

    def house(
        left: tuple[float, float], right: tuple[float, float], height: float, front: bool
    ) -> None:
        near, length = (
            min(left[1], right[1]),
            float(np.hypot(right[0] - left[0], right[1] - left[1])),
        )
        built = House(rng, length, height, min(1.1 * camera.focal / near, 42))
        if front:
            built.front()
        built.own[..., 3] = wall + 0.7 * (built.own[..., 3] - 0.25)
        built.own[..., 3] += 0.02 * noise(rng, built.own.shape, 5, 9)
        erected = erect(built, left, right, stage.canvas.light)
        middle, half = (left[0] + right[0]) / 2, abs(right[0] - left[0]) / 2
        items.append(Item(erected, None, middle, max(left[1], right[1]), half, height))
        erected.paint(stage.canvas)

    if stage.backdrop == "street":
        for side in (-1, 1):
            x = stage.middle + side * stage.edge
            start = max(
                1.5, 0.8 * camera.focal * abs(x) / (camera.x if side < 0 else width - camera.x)
            )
            walls, z = [], start
            while z < 70 and len(walls) < 3:
                end = z + rng.uniform(9, 22)
                walls.append(((x, z), (x, end)))
                z = end + rng.choice((0, 0, 4))
            for near, end in reversed(walls):
                house(*((near, end) if side < 0 else (end, near)), rng.uniform(5, 13), True)
    elif stage.backdrop == "wall":
        reach = (0.65 * width) * stage.far / camera.focal
        left, right = -reach * rng.uniform(0.5, 1.2), reach * rng.uniform(0.7, 1.2)
        house((left, stage.far), (right, stage.far), rng.uniform(3.2, 8), bool(rng.random() < 0.5))
    items = []  # houses stand behind everything: they are painted already
    if stage.backdrop == "wall":
        for slot in np.linspace(-0.36, 0.36, 4):
            if rng.random() < 0.75:
                wide, z = rng.uniform(1.6, 3), stage.far - 0.1
                x = (slot * width + width / 2 - camera.x) * z / camera.focal - wide / 2
                foot, tall = rng.uniform(1.5, 2.0), wide * rng.uniform(0.34, 0.5)
                board = Board(
                    x, z, foot, wide, tall, wall - rng.uniform(0, 0.03), int(rng.integers(1 << 31))
                )
                items.append(Item(board, None, x + wide / 2, z, wide / 2, foot + tall))
    count = {"trees": 4, "open": 1, "street": 0, "wall": 0}[stage.backdrop]
    for slot in rng.permutation(np.linspace(0.08, 0.92, 4))[:count]:
        z = rng.uniform(9, 28)
        x, tall = (slot * width - camera.x) * z / camera.focal, rng.uniform(5, 10)
        if abs(x - stage.middle) < stage.half + 0.5:
            x = stage.middle + np.sign(x - stage.middle) * (stage.half + 0.8)
        leaves = None if stage.winter or rng.random() < 0.6 else LEAVES
        tree = Tree(
            x, z, tall, leaves, stage.ground - rng.uniform(0, 0.05), int(rng.integers(1 << 31))
        )
        items.append(Item(tree, None, x, z, 0.5 * tall, 1.1 * tall))
    return items


def place_cars(
    conditions: Conditions,
    rng: np.random.Generator,
    camera: Camera,
    width: int,
    middle: float,
    half: float,
    far: float,
) -> list[Car]:
    """Cars on the lanes, and parked ones beside the road, at least a car's length apart."""
    cars: list[Car] = []
    for _ in range(rng.integers(conditions.cars[0], conditions.cars[1] + 1)):
        for _ in range(8):
            z, side = rng.uniform(7, max(8, far - LENGTH - 1)), int(rng.choice((-1, 1)))
            running = bool(rng.random() < conditions.running)
            x = middle + side * (half / 2 if running and half > 2.5 else half + 1.1)
            seen = 0.05 * width < camera.project((x, 0, z))[0] < 0.95 * width
            if seen and all(abs(x - car.x) > 2.1 or abs(z - car.z) > LENGTH + 1.5 for car in cars):
                colour = PAINTS[rng.integers(len(PAINTS))]
                coming = bool(side < 0) or (conditions.night and running and not cars)
                cars.append(Car(float(x), float(z), colour, coming, running))
                break
    return cars


def warm_cars(stage: Stage, cars: list[Car]) -> list[Item]:
    """Cars as warm as the conditions have it."""
    span = 0.15 if stage.conditions.skin[1] < 0.57 else 1.0  # where all is as warm as the air
    level = stage.ground + 0.02 - 0.3 * span
    return [
        Item(car, "vehicle", car.x, car.z, 1.15, 1.6, LENGTH + 0.3, (level, span)) for car in cars
    ]


def place_living(stage: Stage, cars: list[Car], width: int) -> list[Item]:
    """People, cyclists and animals where nothing else stands, and some in front of headlights."""
    rng, camera, conditions = stage.rng, stage.canvas.camera, stage.conditions
    coat, skin = rng.uniform(*np.transpose((conditions.coat, conditions.skin)))
    span = (skin - coat) / 0.29
    items: list[Item] = []

    def colour(dark: bool) -> Colour:
        palette = DARK if dark or rng.random() < 0.4 else CLOTH
        blue, green, red = palette[rng.integers(len(palette))]
        share = rng.uniform(0.7, 1.2)
        return blue * share, green * share, red * share

    def add(x: float, z: float) -> None:
        heat = (coat - 0.64 * span + rng.uniform(-0.02, 0.02), span)
        wear = Clothes(
            colour(conditions.dark),
            DARK[rng.integers(len(DARK))] if rng.random() < 0.6 else colour(conditions.dark),
            SKINS[rng.integers(len(SKINS))],
            DARK[rng.integers(len(DARK))] if rng.random() < 0.7 else colour(False),
            float(rng.choice((0.85, 0.8, 0.5))),
            bool(rng.random() < 0.3),
        )
        tall, facing, choice = rng.uniform(1.55, 1.92), int(rng.choice((-1, 0, 1))), rng.random()
        if choice < 0.76:
            walker = Walker(x, z, tall, wear, rng.uniform(0, 1), facing)
            items.append(Item(walker, "person", x, z, 0.55, tall + 0.1, heat=heat))
        elif choice < 0.9:
            rider = Rider(x, z, tall, wear, facing or 1)
            items.append(Item(rider, "person", x, z, 1.0, tall + 0.2, heat=heat))
        else:
            deer = rng.random() < 0.4
            size, legs = (1.15, 1.7) if deer else (rng.uniform(0.6, 0.9), 0.95)
            beast = Beast(x, z, size, legs, FURS[rng.integers(len(FURS))], facing or 1)
            items.append(Item(beast, "animal", x, z, size, 1.6 * size, heat=heat))

    if conditions.glare[0] > 2:
        for car in [car for car in cars if car.running and car.coming][:2]:
            for _ in range(2):
                add(car.x + rng.uniform(-1.5, 1.5), car.z - rng.uniform(0.6, 2.5))
    for _ in range(rng.integers(conditions.people[0], conditions.people[1] + 1)):
        for _ in range(8):
            z = 5 * (min(stage.far - 0.6, 30) / 5) ** rng.random()
            x = (rng.uniform(0.06, 0.94) * width - camera.x) * z / camera.focal
            apart = all(abs(x / z - other.x / other.z) > 0.45 / z for other in items)
            off = all(abs(x - car.x) > 1.5 or not car.z - 0.5 < z < car.z + LENGTH for car in cars)
            if apart and off and abs(x - stage.middle) < stage.edge - 0.5:
                add(x, z)
                break
    return items
