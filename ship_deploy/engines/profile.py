"""Which frames an engine takes: the optimization profile."""

import re
from dataclasses import dataclass

from ship_deploy.errors import UserError
from ship_deploy.frames import SMALLEST

SMALLEST_SIZE, USUAL_SIZE, LARGEST_SIZE = (SMALLEST, SMALLEST), (480, 640), (1080, 1920)
Shape = tuple[int, int, int]  # batch, height, width


@dataclass(frozen=True)
class Profile:
    """Frames from `min` to `max`, fastest at `opt`; each is (batch, height, width)."""

    min: Shape
    opt: Shape
    max: Shape

    def __str__(self) -> str:
        low, usual, high = (f"{height}x{width}" for _, height, width in self.shapes)
        sizes = low if low == high else f"{low} to {high}, tuned for {usual}"
        return f"frames of {sizes}; {'one' if self.max[0] == 1 else f'1 to {self.max[0]}'} a call"

    @property
    def shapes(self) -> tuple[Shape, Shape, Shape]:
        """The three, smallest first."""
        return self.min, self.opt, self.max

    @property
    def arguments(self) -> list[str]:
        """What `ship-deploy build` is called with for this profile."""
        names = ("--min", "--opt", "--max")
        sizes = [
            text
            for name, (_, height, width) in zip(names, self.shapes, strict=True)
            for text in (name, f"{height}x{width}")
        ]
        return [*sizes, "--batch", str(self.max[0])] if self.max[0] > 1 else sizes


def choose_profile(
    model_size: str,
    low: str | None = None,
    usual: str | None = None,
    high: str | None = None,
    batch: int = 1,
) -> Profile:
    """The profile for a model and what was asked for.

    Args:
        model_size: "any", or "HxW" where the model's size is fixed.
        low: the smallest frame, "HxW" in pixels; 16x16 if not given.
        usual: the frame to tune for; 480x640 if not given, or the nearest within the limits.
        high: the largest frame; 1080x1920 if not given.
        batch: the most frames in a call. The engine takes fewer too, and is tuned for as many.

    Raises:
        UserError: a size that is none, out of order or too small, or other than the model's.
    """
    if batch < 1:
        raise UserError(f"--batch is {batch}, expected at least 1")
    asked = {"--min": low, "--opt": usual, "--max": high}
    sizes = {name: parse_size(name, text) for name, text in asked.items() if text is not None}
    if model_size != "any":
        fixed = parse_size("the model's size", model_size)
        for name, size in sizes.items():
            if size != fixed:
                raise UserError(f"{name} is {asked[name]}, but the model takes {model_size} only")
        return Profile((1, *fixed), (batch, *fixed), (batch, *fixed))
    smallest, largest = sizes.get("--min", SMALLEST_SIZE), sizes.get("--max", LARGEST_SIZE)
    rows, columns = (
        min(max(side, least), most)
        for side, least, most in zip(USUAL_SIZE, smallest, largest, strict=True)
    )
    best = sizes.get("--opt", (rows, columns))
    named = {"--min": smallest, "--opt": best, "--max": largest}
    for first, second in (("--min", "--max"), ("--min", "--opt"), ("--opt", "--max")):
        if any(a > b for a, b in zip(named[first], named[second], strict=True)):
            words = [
                f"{name} ({'' if name in sizes else 'by default '}{height}x{width})"
                for name, (height, width) in ((n, named[n]) for n in (first, second))
            ]
            raise UserError(f"{words[0]} is larger than {words[1]} in height or width")
    return Profile((1, *smallest), (batch, *best), (batch, *largest))


def parse_size(name: str, text: str) -> tuple[int, int]:
    """Height and width from "HxW", in pixels.

    Raises:
        UserError: it is none, or too small; calls it `name`.
    """
    found = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    if not found:
        raise UserError(f"{name} is {text!r}, expected HEIGHTxWIDTH, such as 480x640")
    size = int(found[1]), int(found[2])
    if min(size) < SMALLEST:
        raise UserError(f"{name} is {text}, the smallest is {SMALLEST}x{SMALLEST}")
    return size
