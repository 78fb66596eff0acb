"""Kinds of scene in which a fused picture easily loses somebody, each as ranges to draw from.

Warmth is on the scale of the drawn streets, where a wall at night is 0.25 and a face 0.93; the
infrared camera stretches whatever it sees.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from training.scenes.scenery import ASPHALT, GRASS, PAVING, SAND, SNOW, TRODDEN, Surface

Hard = Literal[
    "day",  # a plain one
    "hot-ground",  # people and cars colder than asphalt in the sun
    "crossover",  # people as warm as everything else
    "warm-wall",  # people before a wall that is as warm as they are
    "signs",  # lettering on such a wall
    "snow",  # dark coats on snow: black in one frame, white in the other
    "branches",  # twigs and bricks against a bright sky
    "fog",  # contrast that ends after some metres
    "smoke",  # which the infrared camera sees through
    "glare",  # people in front of headlights
    "noise",  # a dark night: grain, and an infrared camera's fixed pattern
    "cold-cars",  # parked cars that mirror a clear night sky
    "black-hot",  # an infrared camera that shows warm as dark
]
Kind = Literal["street", Hard]  # a drawn street at night
HARD: tuple[Hard, ...] = get_args(Hard)
Range = tuple[float, float]
Ground = tuple[Surface, Surface, bool]  # the road, what lies beside it, whether it has marks
Backdrop = Literal["street", "wall", "trees", "open"]

TARRED: tuple[Ground, ...] = ((ASPHALT, PAVING, True), (ASPHALT, GRASS, True))
PATHS: tuple[Ground, ...] = ((PAVING, GRASS, False), (SAND, GRASS, False))


@dataclass(frozen=True)
class Conditions:
    """What sets the scenes of one kind apart; pairs are ranges."""

    sky: Range = (4, 9)  # light; a street lamp gives about 1, a night sky 0.02
    cover: Range = (0.1, 1)  # with clouds
    ground: Range = (0.36, 0.48)  # warmth, as the next three
    wall: Range = (0.34, 0.50)
    coat: Range = (0.56, 0.66)
    skin: Range = (0.80, 0.93)
    cars: Range = (1, 4)
    running: float = 0.5  # the share of cars whose engine is warm
    people: Range = (3, 7)
    grounds: tuple[Ground, ...] = TARRED + PATHS
    backdrops: tuple[Backdrop, ...] = ("street", "wall", "trees", "open")
    dark: bool = False  # dark coats only
    clear: Range = (250, 900)  # metres, see Canvas
    smoke: bool = False
    grain: Range = (0.8, 1.4)  # this and the next two as in `sensors`
    pattern: Range = (0.6, 1.4)
    glare: Range = (0.6, 1.2)
    black_hot: bool = False

    @property
    def blinding(self) -> bool:
        """Whether somebody stands in front of headlights, and the lens is dirty."""
        return self.glare[0] > 2


NIGHT: Range = (0.015, 0.05)
CONDITIONS: dict[Hard, Conditions] = {
    "day": Conditions(),
    "hot-ground": Conditions(
        cover=(0, 0.3), ground=(0.85, 1.0), wall=(0.6, 0.9), coat=(0.50, 0.58), skin=(0.52, 0.62),
        grounds=(*TARRED, (PAVING, SAND, False)),
    ),
    "crossover": Conditions(
        ground=(0.50, 0.54), wall=(0.48, 0.54), coat=(0.49, 0.53), skin=(0.51, 0.56), running=0.2,
        pattern=(1, 2.5),
    ),
    "warm-wall": Conditions(
        sky=(0.6, 9), ground=(0.40, 0.5), wall=(0.66, 0.76), coat=(0.64, 0.70), skin=(0.72, 0.80),
        cars=(0, 2), backdrops=("wall",),
    ),
    "signs": Conditions(
        wall=(0.6, 0.75), coat=(0.58, 0.66), cars=(0, 2), people=(2, 5), backdrops=("wall",)
    ),
    "snow": Conditions(
        sky=(2, 9), ground=(0.06, 0.30), wall=(0.2, 0.34), coat=(0.42, 0.62), dark=True,
        grounds=((TRODDEN, SNOW, False), (SNOW, SNOW, False), (ASPHALT, SNOW, True)),
        backdrops=("trees", "open", "street", "wall"),
    ),
    "branches": Conditions(cover=(0, 1), backdrops=("trees", "trees", "wall")),
    "fog": Conditions(cover=(1, 1), clear=(9, 26), sky=(2, 6), ground=(0.30, 0.36)),
    "smoke": Conditions(smoke=True, cars=(0, 3), people=(4, 8)),
    "glare": Conditions(
        sky=NIGHT, cover=(0, 0.5), ground=(0.28, 0.40), wall=(0.25, 0.35), grounds=TARRED,
        cars=(1, 3), running=1, glare=(2.5, 6), people=(4, 7),
        backdrops=("street", "trees", "open"),
    ),
    "noise": Conditions(
        sky=(0.010, 0.03), cover=(0, 0.6), ground=(0.28, 0.40), wall=(0.25, 0.35), dark=True,
        grain=(2.5, 5), pattern=(2.5, 5), running=0.3,
    ),
    "cold-cars": Conditions(
        sky=(0.03, 0.3), cover=(0, 0.2), ground=(0.46, 0.56), wall=(0.44, 0.55), running=0,
        cars=(3, 7), people=(1, 4), grounds=TARRED, backdrops=("street", "trees", "open"),
    ),
    "black-hot": Conditions(black_hot=True, sky=(0.03, 9)),
}  # fmt: skip
