"""What stands where on a street, and how it is lit."""

from dataclasses import dataclass, replace

import numpy as np

from training.scenes.canvas import Array, Camera, Light
from training.scenes.figures import Car, Lamp, Person
from training.scenes.houses import Wall, build

LAMPS = ((0.16, 0.52, 1.0), (1.0, 0.92, 0.80), (0.30, 0.62, 1.0))  # sodium, LED, tungsten
PAINTS = (
    (0.4, 0.4, 0.4),
    (0.03, 0.03, 0.03),
    (0.05, 0.04, 0.3),
    (0.25, 0.14, 0.05),
    (0.1, 0.1, 0.1),
)
CLOTHES = ((0.03, 0.025, 0.025), (0.06, 0.035, 0.025), (0.03, 0.03, 0.05), (0.05, 0.05, 0.05))
NIGHTS = ((0.030, 0.012, 0.006), (0.014, 0.008, 0.009), (0.040, 0.022, 0.012))


@dataclass(frozen=True)
class Road:
    """The ground, in metres; the camera stands at x = 0, z = 0 and looks along z."""

    middle: float  # x of the road's middle
    half: float  # from there to the kerb
    pavement: float
    lanes: int
    zebra: float  # z of the crossing
    wet: float  # 0 to 1


@dataclass(frozen=True)
class Street:
    """Everything that there is to paint."""

    camera: Camera
    light: Light
    road: Road
    things: list[Lamp | Car | Person | Wall]  # from far to near
    night: Array  # (4,): the sky overhead, as radiance and warmth
    haze: Array  # (4,): the air, and the sky at the horizon
    clear: float  # metres; see Canvas
    moon: tuple[float, float]  # shares of the frame's width and height

    def after(self, seconds: float) -> "Street":
        """The street so much later: people walk, traffic waits."""
        things = [t.after(seconds) if isinstance(t, Person) else t for t in self.things]
        return replace(self, things=sorted(things, key=lambda thing: -thing.z))


def invent(rng: np.random.Generator, height: int, width: int) -> Street:
    """A street to be seen in frames of so many pixels."""
    eye = float(rng.choice((1.5, 2.1, 3.2, 4.6, 6.5)) * rng.uniform(0.9, 1.1))
    x, y = width * rng.uniform(0.36, 0.64), height * (rng.uniform(0.42, 0.48) - 0.02 * eye)
    bend = float(rng.choice((-0.004, -0.0015, 0, 0.0015, 0.004)))
    camera = Camera(0.92 * float(np.sqrt(height * width)), x, y, eye, bend)
    lanes = int(rng.choice((1, 2, 2, 3, 4)))
    half = max(2.4, lanes * rng.uniform(1.6, 1.9))
    middle, pavement, zebra, wet = rng.uniform(
        (-0.6 * half, 2, 8, 0.1), (0.6 * half, 4, 22, 1)
    ).tolist()
    road = Road(middle, half, pavement, lanes, zebra, wet)

    lamps, cars = place_lamps(rng, road), place_cars(rng, road)
    light = lighting(rng, lamps, cars)
    people = place_people(rng, road, camera, width, light, cars)
    walls = build(rng, camera, width, light, middle, half + pavement)
    things: list[Lamp | Car | Person | Wall] = [*lamps, *cars, *people, *walls]
    things.sort(key=lambda thing: -thing.z)
    night = np.array((*rng.choice(NIGHTS), 0.04), np.float32)
    haze = np.array((*np.array(lamps[0].colour) * rng.uniform(0.01, 0.05) + 0.006, 0.2), np.float32)
    moon = rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.2)
    return Street(camera, light, road, things, night, haze, rng.uniform(60, 260), moon)


def place_lamps(rng: np.random.Generator, road: Road) -> list[Lamp]:
    """Lamps on one side or both, some of them broken."""
    colour, spacing, first = LAMPS[rng.integers(3)], rng.uniform(20, 32), rng.uniform(7, 22)
    lamps = []
    for side in ((-1, 1), (-1, 1), (-1,), (1,))[rng.integers(4)]:
        for z in first + spacing * (np.arange(8.0) + (side > 0) / 2):
            x = road.middle + side * (road.half + 0.4)
            lamps.append(Lamp(x, float(z), -1.6 * side, colour, rng.random() < 0.85))
    return lamps


def place_cars(rng: np.random.Generator, road: Road) -> list[Car]:
    """Traffic, of which one car at least comes towards the camera, and often parked cars."""
    cars, keep = [], rng.choice((-1, 1))  # the side that the oncoming keep to

    def row(x: float, depths: Array, coming: bool, running: bool) -> None:
        for z in depths:
            cars.append(Car(x, float(z), PAINTS[rng.integers(len(PAINTS))], coming, running))

    for lane in range(road.lanes):
        x = road.half * ((2 * lane + 1) / road.lanes - 1)
        depths = np.arange(rng.uniform(8, 26), 80, rng.uniform(14, 34))
        row(road.middle + x, depths, road.lanes == 1 or x * keep > 0, True)
    if road.pavement > 3 and rng.random() < 0.7:
        side = rng.choice((-1, 1))
        depths = np.arange(rng.uniform(5, 12), 70, rng.uniform(5.6, 9))
        row(road.middle + side * (road.half + 0.9), depths, bool(side == keep), False)
    return cars


def lighting(rng: np.random.Generator, lamps: list[Lamp], cars: list[Car]) -> Light:
    """What the lamps, the headlights and the sky throw on the street."""
    bulb, beam = np.array(lamps[0].colour) * rng.uniform(40, 65), np.array(LAMPS[1]) * 1.5
    lights = [((lamp.x + lamp.reach, 7.2, lamp.z), bulb) for lamp in lamps if lamp.on]
    lights += [((car.x, 1.2, car.z - 4.5), beam) for car in cars if car.coming and car.running]
    places, powers = (np.array(column, np.float32) for column in zip(*lights, strict=True))
    return Light(places, powers, np.array((0.022, 0.016, 0.013), np.float32))


def place_people(
    rng: np.random.Generator, road: Road, camera: Camera, width: int, light: Light, cars: list[Car]
) -> list[Person]:
    """People on the pavements, where it is dark, and one beside the nearest headlights."""

    def person(x: float, z: float) -> Person:
        clothes = CLOTHES[rng.integers(len(CLOTHES))]
        return Person(x, float(z), rng.uniform(1.6, 1.88), clothes, rng.uniform(-1, 1))

    def in_frame(x: float, z: float) -> bool:
        return bool(0.05 * width < camera.project((x, 0, z))[0] < 0.95 * width)

    car = min((car for car in cars if car.coming and car.running), key=lambda car: car.z)
    people = [person(car.x + (1.3 if car.x < 0 else -1.3), car.z - 0.5)]
    for index in range(rng.integers(4, 9)):
        x = road.middle + (-1) ** index * (road.half + rng.uniform(0.6, road.pavement - 0.3))
        near = (6, 10, 16, 25)[index // 2]
        depths = [z for z in rng.uniform(near, 1.6 * near, 8) if in_frame(x, z)]
        depths = depths or [z for z in range(8, 60) if in_frame(x, z)][:1]
        if depths:
            people.append(person(x, min(depths, key=lambda z: light.at((x, 1.2, z)).sum())))
    return people
