"""Which image files of two folders show one scene, by the names that data sets give them."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
MOST = 10  # names in a message
Kind: TypeAlias = Literal["visible", "infrared"]
# What a name may end or begin with, set apart by "_", "-", "." or a space: 001_vis, FLIR_1_RGB.
_WORDS: Mapping[Kind, str] = {
    "visible": "visible|vis|vi|rgb|color|colour|eo",
    "infrared": "infrared|ir|inf|thermal|therm|lwir|previewdata",
}
_MARKS = {
    kind: re.compile(rf"(?:^(?:{words})[-_. ]+(?=.))|(?:(?<=.)[-_. ]+(?:{words})$)")
    for kind, words in _WORDS.items()
}


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name, and none of a file manager's (`._a.png`)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def in_order(path: Path) -> list[tuple[int, str]]:
    """To sort names by: 2.png comes before 10.png."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), part) if part.isdigit() else (-1, part) for part in parts]


def name_some(names: Sequence[str], *, separator: str = ", ") -> str:
    """Names, or problems, for a message: the first ones, and how many more there are."""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return separator.join(names[:MOST]) + more


def group_by_scene(
    folders: Sequence[tuple[Path, Kind]],
) -> list[dict[str, list[Path]]]:
    """The images of each folder and those in it, under a name of the scene, sorted.

    That is the path in the folder without suffix, in Unicode's composed form, since some systems
    write the other one. Where more scenes are then in all folders, upper and lower case are the
    same, numbers count by their value (1, 0001), and what says "visible" or "infrared" at an end of
    the file's name is left out. Several files under one name are the caller's to judge.
    """
    exact = [_group(folder, lambda path: path.stem) for folder, _ in folders]
    loose = [_group(folder, _namer(kind)) for folder, kind in folders]
    return loose if len(_common(loose)) > len(_common(exact)) else exact


def _group(folder: Path, name: Callable[[Path], str]) -> dict[str, list[Path]]:
    scenes: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        inside = path.relative_to(folder)
        if is_image(path) and not any(part.startswith(".") for part in inside.parts):
            scene = str(inside.with_name(name(path)))
            scenes[unicodedata.normalize("NFC", scene)].append(path)
    return dict(sorted(scenes.items()))


def _namer(kind: Kind) -> Callable[[Path], str]:
    def name(path: Path) -> str:
        scene = _MARKS[kind].sub("", path.stem.lower(), count=1) or path.stem
        return re.sub(r"(?<![0-9])0+(?=[0-9])", "", scene)

    return name


def _common(groups: list[dict[str, list[Path]]]) -> set[str]:
    return set.intersection(*(set(group) for group in groups))
