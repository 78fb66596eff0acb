"""What is around targets in the open: skies, hills, ground, trees, boards, smoke.

In metres where nothing else is said. Light is in units of what a street lamp throws on the road.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scenes.canvas import Array, Canvas, Colour, noise
from training.scenes.surroundings import stripe

FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
WORDS = (
    ("EXIT", "GATE 4"),
    ("NO PARKING", "DAY AND NIGHT"),
    ("DANGER", "HIGH VOLTAGE"),
    ("STATION", "PLATFORM 2"),
    ("MARKET HALL", "OPEN 8 - 18"),
    ("DEPOT 17", "KEEP CLEAR"),
    ("SCHOOL", "DRIVE SLOWLY"),
)
BOARDS = (  # the board, its letters
    ((0.75, 0.75, 0.75), (0.03, 0.03, 0.03)),
    ((0.5, 0.16, 0.04), (0.8, 0.8, 0.8)),
    ((0.10, 0.65, 0.75), (0.02, 0.02, 0.02)),
    ((0.06, 0.05, 0.5), (0.8, 0.8, 0.8)),
    ((0.08, 0.3, 0.05), (0.8, 0.8, 0.8)),
)


class Surface(NamedTuple):
    """Ground: what it reflects, how rough it looks near by and from afar, warmth beside others."""

    paint: Colour
    fine: float
    coarse: float
    warmth: float


ASPHALT = Surface((0.085, 0.083, 0.08), 0.28, 0.14, 0.03)
PAVING = Surface((0.19, 0.21, 0.23), 0.10, 0.10, 0)
GRASS = Surface((0.025, 0.085, 0.06), 0.50, 0.35, -0.05)
SAND = Surface((0.19, 0.27, 0.33), 0.16, 0.16, 0.02)
SNOW = Surface((0.82, 0.80, 0.77), 0.05, 0.07, 0)
TRODDEN = Surface((0.55, 0.53, 0.50), 0.16, 0.22, 0.02)


def fractal(rng: np.random.Generator, shape: tuple[int, ...], rows: float, columns: float) -> Array:
    """Noise (H, W) around 0 with four octaves of detail, from so many bumps down and across."""
    half = max(1, shape[0] // 2), max(1, shape[1] // 2)
    total = np.zeros(half, np.float32)
    for octave in range(4):
        total += noise(rng, half, rows * 2**octave, columns * 2**octave) / 2**octave
    return cv2.resize(total, (shape[1], shape[0]))


def patches(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> Array:
    """Noise (H, W) around 0 in patches of so many pixels."""
    grid = rng.standard_normal((shape[0] // size + 2, shape[1] // size + 2), np.float32)
    return cv2.resize(grid, (shape[1], shape[0]))


def paint_sky(canvas: Canvas, rng: np.random.Generator, zenith: Array, cover: float) -> None:
    """From `zenith` (4,) down to the haze; `cover` from 0 to 1 is clouded."""
    height = len(canvas.pixels)
    horizon = int(np.clip(round(canvas.camera.y), 1, height))
    sky = canvas.pixels[:horizon]
    down = np.linspace(0, 1, horizon, dtype=np.float32)[:, None, None]
    sky[:] = zenith + (canvas.haze - zenith) * down**1.6
    clouds = np.clip(fractal(rng, sky.shape, 3, 4) * 0.5 + 1.6 * cover - 0.6, 0, 1)[..., None]
    cloud = canvas.haze * np.float32((1.15, 1.12, 1.1, 0.9))
    sky += clouds * (cloud - sky) * np.float32((1, 1, 1, 0.5))
    canvas.pixels[horizon:] = canvas.haze


def paint_hills(
    canvas: Canvas, rng: np.random.Generator, far: float, high: float, paint: Colour, warmth: float
) -> None:
    """A line of trees or roofs `far` metres away and about `high` metres high."""
    height, width = canvas.pixels.shape[:2]
    rise = high * (1 + 0.45 * fractal(rng, (1, width), 2, 5)[0]).clip(0.1, 2)
    top = canvas.camera.y - canvas.camera.focal * (rise - canvas.camera.eye) / far
    foot = int(np.clip(canvas.camera.y + canvas.camera.focal * canvas.camera.eye / far, 1, height))
    first = int(np.clip(top.min(), 0, foot - 1))
    band = canvas.pixels[first:foot]
    rows = np.arange(first, foot, dtype=np.float32)[:, None]
    ragged = noise(rng, band.shape, (foot - first) / 2, width / 2)
    ragged += noise(rng, band.shape, (foot - first) / 6, width / 6)
    mass = np.clip(rows - top + 2 * ragged, 0, 1)[..., None]
    values = np.empty(band.shape, np.float32)
    tone = np.clip(1 + 0.22 * ragged + 0.2 * fractal(rng, band.shape, 3, 14), 0.2, 2)
    values[..., :3] = np.array(paint, np.float32) * canvas.light.sky * tone[..., None]
    values[..., 3] = warmth + 0.010 * ragged
    band += mass * (canvas.veil(values, far) - band)


def paint_ground(
    canvas: Canvas,
    rng: np.random.Generator,
    road: Surface,
    verge: Surface,
    warmth: float,
    middle: float,
    half: float,
    marked: bool,
) -> None:
    """A road around x = `middle`, `half` metres to either side, and what lies beside it."""
    height, width = canvas.pixels.shape[:2]
    camera = canvas.camera
    top = int(np.clip(np.ceil(camera.y + camera.focal * camera.eye / 250), 0, height - 1))
    z = (
        camera.focal
        * camera.eye
        / (np.arange(top, height, dtype=np.float32)[:, None] + 0.5 - camera.y)
    )
    pixel = z / camera.focal
    x = (np.arange(width, dtype=np.float32) + 0.5 - camera.x) * pixel
    across, deep = x - middle, z * z / (camera.focal * camera.eye)
    depths = np.broadcast_to(z, x.shape)
    grain, lumps = rng.standard_normal((512, 512), np.float32), fractal(rng, (512, 512), 24, 24)

    def spread(texture: Array, per_metre: float) -> Array:
        return cv2.remap(
            texture,
            x * per_metre,
            depths * per_metre,
            cv2.INTER_LINEAR,
            None,
            cv2.BORDER_REFLECT_101,
        )

    fine = spread(grain, 40) * np.clip(7 / z, 0, 1) + 0.6 * spread(grain, 9) * np.clip(40 / z, 0, 1)
    coarse = spread(lumps, 11)
    is_road = stripe(across + 0.15 * coarse * (not marked), 2 * half, pixel)

    def tone(surface: Surface) -> Array:
        return np.maximum(1 + surface.fine * fine + surface.coarse * coarse, 0.15)

    value = np.empty((*x.shape, 4), np.float32)
    beside, along = (1 - is_road) * tone(verge), is_road * tone(road)
    for channel in range(3):
        value[..., channel] = verge.paint[channel] * beside + road.paint[channel] * along
    value[..., 3] = warmth + verge.warmth + is_road * (road.warmth - verge.warmth) + 0.012 * coarse
    value[..., 3] += 0.008 * fine
    if marked:
        marks = stripe(across, 0.13, pixel) * stripe(z % 6 - 3, 3, deep)
        marks += stripe(np.abs(across) - half + 0.3, 0.10, pixel)
        marks = (marks * np.clip(0.8 + 0.15 * fine + 0.2 * coarse, 0.2, 1))[..., None]
        value += marks * (np.float32((0.5, 0.5, 0.5, 0)) - value) * np.float32((1, 1, 1, 0.05))
        value += stripe(np.abs(across) - half - 0.1, 0.2, pixel)[..., None] * np.float32(
            (0.08, 0.08, 0.08, -0.02)
        )
    else:  # where wheels went
        ruts = stripe(np.abs(across + 0.1 * coarse) - 0.75, 0.3, pixel) * np.clip(
            0.7 + coarse, 0, 1
        )
        value *= 1 - ruts[..., None] * np.float32((0.3, 0.3, 0.3, -0.06))
    step = max(2, width // 80)  # light is smooth: a coarse grid will do
    places = np.stack([x, 0 * x, depths], -1)[::step, ::step]
    value[..., :3] *= cv2.resize(canvas.light.at(places), (width, len(z)))
    canvas.pixels[top:] = canvas.veil(value, z[..., None])


class Tree(NamedTuple):
    """A tree with bare branches, or with leaves between them."""

    x: float
    z: float
    height: float
    leaves: Colour | None
    warmth: float
    seed: int

    def paint(self, canvas: Canvas) -> None:
        """Paint the trunk, what grows out of it, and leaves as ragged clumps."""
        rng = np.random.default_rng(self.seed)
        height, width = canvas.pixels.shape[:2]
        light = canvas.light.at((self.x, 3, self.z))
        metre = canvas.camera.focal / self.z
        wood, leafy = np.zeros((2, height, width), np.uint8)
        limbs = [(self.x, -0.1, np.pi / 2, rng.uniform(0.2, 0.3) * self.height)]
        for generation in range(7):
            grown, lines = [], []
            for x, y, angle, length in limbs:
                end = x + length * np.cos(angle), y + length * np.sin(angle)
                lines.append(((x, y, self.z), (*end, self.z)))
                for turn in (*(rng.uniform(0.15, 0.9, 2) * (-1, 1)), rng.normal(0, 0.2)):
                    if generation < 2 or rng.random() < 0.72:
                        bent = angle + turn + 0.08 * np.cos(angle)  # towards the light
                        grown.append((*end, bent, length * rng.uniform(0.55, 0.88)))
            if not lines:
                break
            thick = metre * 0.032 * self.height * 0.55**generation
            ends = np.round(canvas.camera.project(lines) * 16).astype(np.int32)
            cv2.polylines(wood, list(ends), False, 255, max(1, round(thick)), cv2.LINE_AA, 4)
            if self.leaves and generation > 2:
                wide = max(2, round(0.4 * metre))
                cv2.polylines(leafy, list(ends), False, 255, wide, cv2.LINE_8, 4)
            limbs = grown[:260]
        ragged = patches(rng, wood.shape, 3)
        bark = np.array((0.07, 0.085, 0.10)) * rng.uniform(0.4, 1)
        self.cover(canvas, wood, bark * light, 1 + 0.25 * ragged)
        if self.leaves:
            ragged += 0.8 * patches(rng, wood.shape, 9)
            crown = cv2.GaussianBlur(leafy, (0, 0), 0.3 * metre + 0.5).astype(np.float32)
            crown += np.minimum(crown, 60) * ragged  # gaps, and single leaves at the rim
            crown = np.clip((crown - 75) * 4, 0, 255).astype(np.uint8)
            self.cover(canvas, crown, np.array(self.leaves) * light, 1 + 0.3 * ragged)

    def cover(self, canvas: Canvas, mask: NDArray[np.uint8], colour: Array, tone: Array) -> None:
        """Paint where a mask of 0 to 255 is set."""
        x, y, wide, tall = cv2.boundingRect(mask)
        box = np.s_[y : y + tall, x : x + wide]
        values = np.empty((tall, wide, 4), np.float32)
        values[..., :3] = np.clip(tone[box], 0.25, 2)[..., None] * np.asarray(colour, np.float32)
        values[..., 3] = self.warmth
        share = mask[box][..., None] / np.float32(255)
        canvas.pixels[box] += share * (canvas.veil(values, self.z) - canvas.pixels[box])
        if canvas.labels is not None:
            canvas.labels[mask > 127] = canvas.label


class Board(NamedTuple):
    """A sign of (wide, tall) metres, its lower edge at `foot`; warm as the wall it hangs on."""

    x: float
    z: float
    foot: float
    wide: float
    tall: float
    warmth: float
    seed: int

    def paint(self, canvas: Canvas) -> None:
        """Paint two lines of letters within a rim."""
        rng = np.random.default_rng(self.seed)
        board, ink = BOARDS[rng.integers(len(BOARDS))]
        h, w = 120, round(120 * self.wide / self.tall)
        letters = np.zeros((h, w), np.uint8)
        font = FONTS[rng.integers(len(FONTS))]
        for line, foot in zip(WORDS[rng.integers(len(WORDS))], (56, 102), strict=True):
            (across, up), _ = cv2.getTextSize(line, font, 1, 2)
            size = min(0.88 * w / across, 34 / up)
            left = round((w - across * size) / 2)
            cv2.putText(letters, line, (left, foot), font, size, 255, max(2, round(2.4 * size)))
        cv2.rectangle(letters, (4, 4), (w - 5, h - 5), 255, 2)
        share = letters[..., None] / np.float32(255)
        texture = np.empty((h, w, 4), np.float32)
        colour = np.float32(board) + share * (np.float32(ink) - np.float32(board))
        texture[..., :3] = colour * canvas.light.at((self.x, self.foot, self.z - 1))
        texture[..., 3] = self.warmth
        x0, x1, y0, y1 = self.x, self.x + self.wide, self.foot, self.foot + self.tall
        corners = ((x0, y1, self.z), (x1, y1, self.z), (x1, y0, self.z), (x0, y0, self.z))
        canvas.hang(np.array(corners, np.float32), texture)


def blow_smoke(pixels: Array, rng: np.random.Generator, light: Array) -> NDArray[np.float32]:
    """Cover part of a frame (H, W, 4) with smoke that the infrared camera sees through.

    Returns:
        The share (H, W) of light that it keeps away.
    """
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    middle, wide = rng.uniform((0.3, 0.28), (0.7, 0.5)) * width
    plume = np.exp(-(((x - middle + 0.3 * (height - y) * rng.normal()) / wide) ** 2))
    lumps = fractal(rng, pixels.shape, 3, 4)
    thick = np.clip((1.25 + 0.5 * lumps) * plume * (0.5 + y / height), 0, 1) * rng.uniform(
        0.86, 0.97
    )
    tone = (0.75 + 0.1 * lumps)[..., None] * light * rng.uniform(0.25, 0.6)
    pixels[..., :3] += thick[..., None] * (tone - pixels[..., :3])
    pixels[..., 3] += 0.12 * thick * (pixels[..., 3].mean() - pixels[..., 3])
    return thick
