"""Where a hard scene takes place and what stands there: lamps, houses, trees, cars, people."""

import math
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from training.scenes.canvas import Camera, Canvas, Colour, Light, noise
from training.scenes.figures import LENGTH, Car, Lamp
from training.scenes.houses import House, erect
from training.scenes.kinds import Backdrop, Conditions
from training.scenes.living import Beast, Clothes, Rider, Walker
from training.scenes.scenery import (
    SNOW,
    Board,
    Surface,
    Tree,
    paint_ground,
    paint_hills,
    paint_sky,
)
from training.scenes.streets import LAMPS, lighting
from training.scenes.targets import TargetKind

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
FOGGY = 60.0
"""Metres of sight below which the sky is as grey as the air."""
TRIES = 8
"""Places that are tried before something is left out."""


class Thing(Protocol):
    """What can be painted."""

    def paint(self, canvas: Canvas) -> None:
        """Paint it."""


class Item(NamedTuple):
    """A thing, the box in metres that it fits in, and how warm it is (see Canvas.warmth_scale)."""

    thing: Thing
    target: TargetKind | None
    x: float  # of its middle
    z: float  # of its nearer end
    half: float
    tall: float
    deep: float = 0
    warmth_scale: tuple[float, float] = (0, 1)


class Plot(NamedTuple):
    """The ground, in metres, and the weather."""

    camera: Camera
    height: int  # of the frame, pixels
    width: int
    backdrop: Backdrop
    road: Surface
    verge: Surface
    marked: bool  # has lanes
    middle: float  # x of the road's middle
    half: float  # from there to where the road ends
    edge: float  # from there to the houses
    far: float  # z before which everything stands
    sky: float  # light
    cover: float  # clouds, from 0 to 1
    clear: float  # metres of sight
    warmth: float

    def x_at(self, column: float, z: float) -> float:
        """The x of what is seen in a column, z metres away."""
        return (column - self.camera.x) * z / self.camera.focal


class Place(NamedTuple):
    """A painted background and what is still to be painted before it."""

    canvas: Canvas
    items: list[Item]
    lean: float | None  # in the sun: metres to the right of a shadow's tip by metre of height


def furnish(conditions: Conditions, rng: np.random.Generator, height: int, width: int) -> Place:
    """Paint sky, ground and houses; choose what stands there."""
    plot = survey(conditions, rng, height, width)
    sky, warmth, clear, foggy = plot.sky, plot.warmth, plot.clear, plot.clear < FOGGY
    cars, lamps = place_cars(conditions, rng, plot), place_lamps(rng, plot)

    tint = (1.0, 0.93, 0.86) if sky > 1 else (1.3, 1, 0.8)
    ambient = np.float32(sky * np.array(tint))
    light = Light(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), ambient)
    if any(lamp.on for lamp in lamps):
        light = replace(lighting(rng, lamps, cars), sky=ambient)
    bright = sky * (0.9 if foggy else rng.uniform(0.5, 0.9))
    haze = np.float32((bright, 0.98 * bright, 0.95 * bright, warmth - 0.1))
    dome = sky * rng.uniform(0.35, 0.6)
    zenith = np.float32((1.25 * dome, 0.85 * dome, 0.6 * dome, warmth - rng.uniform(0.25, 0.5)))
    sight = np.float32((clear, clear, clear, 6 * clear))  # fog is thinner for the infrared camera
    canvas = Canvas(np.empty((height, width, 4), np.float32), plot.camera, light, haze, sight)

    paint_sky(canvas, rng, haze if foggy else zenith, plot.cover)
    for distance, high in ((160, 22), (90, 9)):
        paint = (0.10, 0.11, 0.10) if plot.verge is SNOW else (0.045, 0.075, 0.06)
        paint_hills(canvas, rng, distance, high * rng.uniform(0.5, 1.1), paint, warmth - 0.04)
    paint_ground(canvas, rng, plot.road, plot.verge, warmth, plot.middle, plot.half, plot.marked)
    wall = rng.uniform(*conditions.wall)
    items = build_houses(rng, plot, canvas, wall) + plant_trees(rng, plot)
    items += [
        Item(lamp, None, lamp.x + lamp.reach / 2, lamp.z, 1.4, 7.8, warmth_scale=(warmth - 0.25, 1))
        for lamp in lamps
    ]
    span = 0.15 if conditions.skin[1] < 0.57 else 1.0  # where all is as warm as the air
    items += [
        Item(car, "vehicle", car.x, car.z, 1.15, 1.6, LENGTH + 0.3, (warmth - 0.33 * span, span))
        for car in cars
    ]
    items += place_living(conditions, rng, plot, cars)
    sunny = sky > 1 and plot.cover < 0.5
    lean = float(rng.choice((-1, 1)) * rng.uniform(0.4, 1.5)) if sunny else None
    return Place(canvas, items, lean)


def survey(conditions: Conditions, rng: np.random.Generator, height: int, width: int) -> Plot:
    """Draw a place and the weather."""
    eye = rng.uniform(1.4, 4.5)
    focal = rng.uniform(0.85, 1.5) * math.sqrt(height * width)
    horizon = height * (rng.uniform(0.36, 0.5) - 0.012 * eye)
    backdrop = conditions.backdrops[rng.integers(len(conditions.backdrops))]
    road, verge, marked = conditions.grounds[rng.integers(len(conditions.grounds))]
    half = rng.uniform(2.6, 5) if marked else rng.uniform(1.2, 2.2)
    return Plot(
        camera=Camera(focal, width * rng.uniform(0.4, 0.6), horizon, eye, 0),
        height=height,
        width=width,
        backdrop=backdrop,
        road=road,
        verge=verge,
        marked=marked,
        middle=rng.uniform(-0.6, 0.6) * half,
        half=half,
        edge=half + rng.uniform(1.8, 4) if backdrop == "street" else 60.0,
        far=rng.uniform(11, 20) if backdrop == "wall" else 34.0,
        sky=rng.uniform(*conditions.sky),
        cover=rng.uniform(*conditions.cover),
        clear=rng.uniform(*conditions.clear),
        warmth=rng.uniform(*conditions.ground),
    )


def place_lamps(rng: np.random.Generator, plot: Plot) -> list[Lamp]:
    """Lamps along one side of the road, of which the first is lit; none by day."""
    if plot.sky > 1:
        return []
    colour, reach = LAMPS[rng.integers(3)], float(rng.choice((-1.6, 1.6)))
    x = plot.middle - math.copysign(plot.half + 0.4, reach)
    depths = np.arange(rng.uniform(9, 10.5), plot.far, rng.uniform(9, 16)).tolist()
    return [Lamp(x, z, reach, colour, n == 0 or rng.random() < 0.7) for n, z in enumerate(depths)]


def build_houses(rng: np.random.Generator, plot: Plot, canvas: Canvas, wall: float) -> list[Item]:
    """Paint houses along the street, or one across it; return the boards that hang on that one."""
    focal = plot.camera.focal

    def house(left: tuple[float, float], right: tuple[float, float], tall: float) -> None:
        scale = min(focal / min(left[1], right[1]), 32)
        built = House(rng, math.dist(left, right), tall, scale)
        if plot.backdrop == "street" or rng.random() < 0.5:
            built.front()
        built.own[..., 3] = wall + 0.7 * (built.own[..., 3] - 0.25)
        built.own[..., 3] += 0.02 * noise(rng, built.own.shape, 5, 9)
        erect(built, left, right, canvas.light).paint(canvas)

    if plot.backdrop == "street":
        for side in (-1, 1):
            x = plot.middle + side * plot.edge
            beside = plot.camera.x if side < 0 else plot.width - plot.camera.x
            rows: list[tuple[tuple[float, float], tuple[float, float]]] = []
            z = max(1.5, 0.8 * focal * abs(x) / beside)
            while z < 70 and len(rows) < 3:
                end = z + rng.uniform(9, 22)
                rows.append(((x, z), (x, end)))
                z = end + float(rng.choice((0, 0, 4)))
            for near, end in reversed(rows):
                first, last = (near, end) if side < 0 else (end, near)
                house(first, last, rng.uniform(5, 13))
    if plot.backdrop != "wall":
        return []
    reach = 0.65 * plot.width * plot.far / focal
    left, right = -reach * rng.uniform(0.5, 1.2), reach * rng.uniform(0.7, 1.2)
    house((left, plot.far), (right, plot.far), rng.uniform(3.4, 8))
    boards, z = [], plot.far - 0.1
    for slot in (0.14, 0.38, 0.62, 0.86):
        wide = min(rng.uniform(1.6, 3), 0.22 * plot.width * z / focal)
        x, foot, tall = (
            plot.x_at(slot * plot.width, z) - wide / 2,
            1.6,
            wide * rng.uniform(0.34, 0.5),
        )
        if rng.random() < 0.8 and left < x and x + wide < right:
            board = Board(x, z, foot, wide, tall, wall - rng.uniform(0, 0.03), seed(rng))
            boards.append(Item(board, None, x + wide / 2, z, wide / 2, foot + tall))
    return boards


def plant_trees(rng: np.random.Generator, plot: Plot) -> list[Item]:
    """Trees beside the road: some, or one, or none."""
    fewest = {"trees": 3, "street": -1}.get(plot.backdrop, 0)
    trees = []
    for column in rng.permutation(np.linspace(0.02, 0.98, 5))[: rng.integers(fewest, fewest + 2)]:
        z, tall = 9 * ((plot.far - 1) / 9) ** rng.random(), rng.uniform(4, 11)
        x = plot.x_at((column + rng.uniform(-0.08, 0.08)) * plot.width, z)
        if abs(x - plot.middle) < plot.half + 0.5:
            x = plot.middle + math.copysign(plot.half + 0.8, x - plot.middle)
        leaves = None if plot.verge is SNOW or rng.random() < 0.5 else LEAVES
        tree = Tree(x, z, tall, leaves, plot.warmth - rng.uniform(0, 0.06), seed(rng))
        trees.append(Item(tree, None, x, z, 0.8 * tall, 1.3 * tall))
    return trees


def seed(rng: np.random.Generator) -> int:
    """Of a thing that looks the same however often it is painted."""
    return int(rng.integers(1 << 31))


def place_cars(conditions: Conditions, rng: np.random.Generator, plot: Plot) -> list[Car]:
    """Cars on the lanes, and parked ones beside the road, at least a car's length apart."""
    cars: list[Car] = []
    for _ in range(rng.integers(conditions.cars[0], conditions.cars[1] + 1)):
        for _ in range(TRIES):
            z, side = rng.uniform(7, max(8, plot.far - LENGTH - 1)), int(rng.choice((-1, 1)))
            running = bool(rng.random() < conditions.running)
            aside = plot.half / 2 if running and plot.marked else plot.half + 1.1
            x = plot.middle + side * aside
            seen = 0.05 < plot.camera.project((x, 0, z))[0] / plot.width < 0.95
            if seen and all(abs(x - car.x) > 2.1 or abs(z - car.z) > LENGTH + 1.5 for car in cars):
                colour = PAINTS[rng.integers(len(PAINTS))]
                coming = side < 0 or (conditions.blinding and not cars)
                cars.append(Car(x, z, colour, coming, running))
                break
    return cars


def place_living(
    conditions: Conditions, rng: np.random.Generator, plot: Plot, cars: list[Car]
) -> list[Item]:
    """People, cyclists and animals where nothing else stands, and some in front of headlights."""
    camera = plot.camera
    coat, skin = rng.uniform(*conditions.coat), rng.uniform(*conditions.skin)
    near = max(5.0, camera.focal * (camera.eye - 0.4) / (plot.height - camera.y))  # knees are seen
    far = max(near + 1, min(plot.far - 0.6, 30))
    items: list[Item] = []
    if conditions.blinding:
        for car in [car for car in cars if car.running and car.coming][:2]:
            for _ in range(2):
                x, z = car.x + rng.uniform(-1.5, 1.5), car.z - rng.uniform(0.6, 2.5)
                items.append(creature(rng, x, z, coat, skin, conditions.dark))
    for _ in range(rng.integers(conditions.people[0], conditions.people[1] + 1)):
        for _ in range(TRIES):
            z = near * (far / near) ** rng.random()
            x = plot.x_at(rng.uniform(0.06, 0.94) * plot.width, z)
            apart = all(abs(x / z - other.x / other.z) > 0.45 / z for other in items)
            off = all(abs(x - car.x) > 1.5 or not car.z - 0.5 < z < car.z + LENGTH for car in cars)
            if apart and off and abs(x - plot.middle) < plot.edge - 0.5:
                items.append(creature(rng, x, z, coat, skin, conditions.dark))
                break
    return items


def creature(
    rng: np.random.Generator, x: float, z: float, coat: float, skin: float, dark: bool
) -> Item:
    """Somebody on foot or on a bicycle, a dog or a deer; `coat` and `skin` are warmths."""
    span = (skin - coat) / 0.29  # `living` has coats at 0.64 and skin at 0.93
    warmth_scale = (coat - 0.64 * span + rng.uniform(-0.02, 0.02), span)
    facing, choice = int(rng.choice((-1, 0, 1))), rng.random()
    if choice > 0.9:
        deer = rng.random() < 0.4
        size, legs = (1.15, 1.7) if deer else (rng.uniform(0.6, 0.9), 0.95)
        beast = Beast(x, z, size, legs, FURS[rng.integers(len(FURS))], facing or 1)
        return Item(beast, "animal", x, z, size, 1.6 * size, warmth_scale=warmth_scale)

    def colour(dark: bool) -> Colour:
        palette = DARK if dark else CLOTH
        blue, green, red = palette[rng.integers(len(palette))]
        share = rng.uniform(0.7, 1.2)
        return blue * share, green * share, red * share

    clothes = Clothes(
        coat=colour(dark or rng.random() < 0.4),
        trousers=colour(dark or rng.random() < 0.75),
        skin=SKINS[rng.integers(len(SKINS))],
        cap=colour(dark or rng.random() < 0.8),
        hem=float(rng.choice((0.85, 0.8, 0.5))),
        bag=bool(rng.random() < 0.3),
    )
    tall = rng.uniform(1.55, 1.92)
    if choice > 0.76:
        rider = Rider(x, z, tall, clothes, facing or 1)
        return Item(rider, "person", x, z, 1.0, tall + 0.2, warmth_scale=warmth_scale)
    walker = Walker(x, z, tall, clothes, rng.random(), facing)
    return Item(walker, "person", x, z, 0.55, tall + 0.1, warmth_scale=warmth_scale)
