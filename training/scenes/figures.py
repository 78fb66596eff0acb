"""What stands on a street: lamps, cars, people. Metres: x to the right, z away from the camera."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from training.scenes.canvas import Canvas, Colour

BLACK, HEADLIGHT, TAILLIGHT = (0.003, 0.003, 0.003), (130, 120, 104), (0.2, 0.2, 7)
SKIN = np.array((0.12, 0.16, 0.26))
# fmt: off
LENGTH = 4.4
OUTLINE = np.array([  # of a car from the rear bumper on, along and up
    (0, 0.28), (0, 0.62), (0.07, 0.93), (0.7, 1.0), (1.35, 1.39), (2.6, 1.44), (3.4, 0.98),
    (4.25, 0.82), (LENGTH, 0.62), (LENGTH, 0.25),
])
PANELS = np.array([  # its edges: the share that is painted (not glass), the light caught, warmth
    (0.4, 0.5, 0.34), (1, 0.7, 0.32), (1, 1.2, 0.30), (0, 0.5, 0.17), (1, 1.5, 0.27),
    (0, 0.5, 0.18), (1, 1.4, 0.62), (1, 0.7, 0.70), (0.4, 0.5, 0.60),
])
SIDE_WINDOWS = ((0.95, 1.04), (1.42, 1.33), (2.55, 1.36), (3.15, 1.02))
TYRES = ((0.36, 0.003, 0.30), (0.32, 0.006, 0.58), (0.19, 0.10, 0.45))  # radius, grey, warmth
# fmt: on
PACE, GAIT, NEAR = 1.3, 0.9, 12  # metres and pairs of steps a second; who is nearer walks away


class Lamp(NamedTuple):
    """A street lamp whose arm reaches so far to the right."""

    x: float
    z: float
    reach: float
    colour: Colour
    on: bool

    def paint(self, canvas: Canvas) -> None:
        """Paint the pole, the arm and the head."""
        x, z, tip = self.x, self.z, self.x + self.reach
        grey = canvas.light.at((x, 2, z)) * 0.06
        canvas.box(x, z, 0.11, 0, 1, grey, 0.24)
        canvas.box(x, z, 0.06, 1, 7.3, grey, 0.24)
        canvas.fill(((x, 7.2, z), (x, 7.32, z), (tip, 7.5, z), (tip, 7.4, z)), grey, 0.24)
        canvas.box(tip, z, 0.4, 7.44, 7.56, grey, 0.28 + 0.08 * self.on)
        glass = np.array(self.colour) * 14 if self.on else grey
        canvas.hull(
            ((tip - 0.35, 7.4, 0.06), (tip + 0.35, 7.4, 0.06)), z, glass, 0.28 + 0.16 * self.on
        )


class Car(NamedTuple):
    """A car whose nearer end is at z; while it runs its lights are on and its engine is warm."""

    x: float
    z: float
    colour: Colour
    coming: bool
    running: bool

    def paint(self, canvas: Canvas) -> None:
        """Paint the shell from far to near, then what is on its side and its nearer end."""
        x, z, body = self.x, self.z, np.array(self.colour)
        light = canvas.light.at((x, 1.5, z + LENGTH / 2))
        seen = -1 if x + canvas.camera.bend * z * z > 0 else 1  # the side that faces the camera

        def depth(along: ArrayLike) -> ArrayLike:
            return z + (LENGTH - np.asarray(along) if self.coming else np.asarray(along))

        def apparent(warmth: float) -> float:  # cold metal mirrors the cold sky
            return warmth if self.running else 0.15 + 0.12 * warmth

        canvas.shade(x, z + LENGTH / 2, 1.05, LENGTH / 2 + 0.25, 0.36 if self.running else 0.30)
        for wheel in (x - 0.7, x + 0.7):
            canvas.box(wheel, z + 0.3, 0.11, 0, 0.5, BLACK, apparent(0.58))
        half = 0.88 - 0.44 * np.clip(OUTLINE[:, 1] - 0.95, 0, 1)  # narrower towards the roof
        deep = depth(OUTLINE[:, 0])
        left, right = (np.column_stack([x + s * half, OUTLINE[:, 1], deep]) for s in (-1, 1))
        for i in np.argsort(-(deep[:-1] + deep[1:])):
            painted, catches, warmth = PANELS[i]
            colour = (body * painted + 0.03) * light * catches
            canvas.fill((left[i], right[i], right[i + 1], left[i + 1]), colour, apparent(warmth))
        canvas.fill(left if seen < 0 else right, (body * 0.55 + 0.01) * light, apparent(0.30))
        glass = [(x + 0.76 * seen, up, depth(along)) for along, up in SIDE_WINDOWS]
        canvas.fill(glass, light * 0.02, 0.18)
        circle = np.exp(1j * np.linspace(0, 2 * np.pi, 25)[:-1])
        for along in (0.8, 3.55):
            for r, grey, warmth in TYRES:
                rim = [
                    (x + 0.885 * seen, 0.32 + r * c.imag, depth(along) + r * c.real) for c in circle
                ]
                canvas.fill(rim, light * grey, apparent(warmth))
        if self.coming:
            canvas.box(x, z, 0.5, 0.40, 0.64, BLACK, apparent(0.80))  # the radiator
        else:
            canvas.box(x, z, 0.26, 0.62, 0.76, light * 0.4, apparent(0.33))  # the number plate
            canvas.hull([(x + 0.45, 0.28, 0.07)], z, BLACK, apparent(0.97))  # the exhaust
        shine = (HEADLIGHT if self.coming else TAILLIGHT) if self.running else light * 0.2
        for lamp in (x - 0.64, x + 0.64):
            if self.coming:
                canvas.hull([(lamp, 0.66, 0.10)], z, shine, apparent(0.55))
            else:
                canvas.box(lamp, z, 0.17, 0.75, 0.87, shine, apparent(0.40))


class Person(NamedTuple):
    """A person; stride from -1 to 1, 0 stands."""

    x: float
    z: float
    height: float
    clothes: Colour
    stride: float

    def after(self, seconds: float) -> "Person":
        """The person so much later, having walked along the street."""
        way = PACE * seconds * (1 if self.z < NEAR else -1)
        swing = np.sin(np.arcsin(self.stride) + 2 * np.pi * GAIT * seconds)
        return self._replace(z=self.z + way, stride=float(swing))

    def paint(self, canvas: Canvas) -> None:
        """Paint limbs, trunk and head, each a rim and a brighter, warmer middle."""
        knee, foot, hand = self.stride * np.array((0.04, 0.08, 0.12))
        # Discs of a person of 1.76 m; the share of the clothes' colour, 0 for skin; warmth.
        limbs = (
            ([(0.08, 0.92, 0.09), (0.10 + knee, 0.50, 0.065)], 0.6, 0.71),
            ([(0.10 + knee, 0.50, 0.065), (0.10 + foot, 0.09, 0.05)], 0.6, 0.67),
            ([(0.10 + foot, 0.05, 0.05), (0.14 + foot, 0.04, 0.04)], 0.3, 0.50),
            ([(0.20, 1.38, 0.055), (0.26 - hand / 3, 1.10, 0.05)], 0.9, 0.70),
            ([(0.26 - hand / 3, 1.10, 0.05), (0.22 - hand, 0.86, 0.04)], 0.9, 0.68),
            ([(0.22 - hand, 0.82, 0.045)], 0, 0.88),
        )
        trunk = [
            (s * x, y, r) for s in (-1, 1) for x, y, r in ((0.15, 1.4, 0.08), (0.09, 0.92, 0.09))
        ]
        others = (
            (trunk, 1, 0.74),
            ([(0, 1.44, 0.06), (0, 1.54, 0.055)], 0, 0.90),
            ([(0, 1.60, 0.088), (0, 1.66, 0.092)], 0, 0.93),
            ([(0, 1.68, 0.088), (0, 1.69, 0.086)], 0.4, 0.80),
        )
        light = canvas.light.at((self.x, 1.2, self.z))
        canvas.shade(self.x, self.z, 0.28, 0.14, 0.31)
        parts = [(part, side) for side in (-1, 1) for part in limbs] + [
            (part, 1) for part in others
        ]
        for (discs, share, warmth), side in parts:
            placed = np.array(discs) * (side, 1, 1) * self.height / 1.76 + (self.x, 0, 0)
            colour = light * (np.array(self.clothes) * share if share else SKIN)
            canvas.hull(placed, self.z, colour * 0.75, warmth * 0.88)
            canvas.hull(placed * (1, 1, 0.6), self.z, colour, warmth)
