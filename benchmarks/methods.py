"""What is compared: a baseline, a model, or a folder of pictures made by any other method."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.baselines import BASELINES, IN_COLOUR
from export.models import export_models
from ship_deploy import Fuser
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames
from ship_deploy.images import read_visible
from ship_deploy.models import CATALOGUE, find_model
from training.checkpoints import digest
from training.data import find_images, grey

ALL_BASELINES = "baselines"
CHECKPOINTS = {".safetensors", ".pth"}


@dataclass(frozen=True)
class Method:
    """A way to fuse, as it was named on the command line.

    Attributes:
        name: unique, and fit for a file name.
        source: where it comes from, for the record.
        path: a model, or a folder of pictures; None for a baseline.
    """

    name: str
    source: str
    path: Path | None = None

    def identity(self, image: str) -> str:
        """What the picture of an image depends on, apart from the image."""
        if self.path is None:
            return self.name
        return _digest(self.path) if self.path.is_file() else digest(self._picture(image))

    def fuse(self, image: str, visible: Frames, infrared: Frames) -> Frames:
        """The fused picture, uint8, BGR (H, W, 3) or grey (H, W).

        Args:
            image: the pair's name.
            visible: BGR (H, W, 3) or grey (H, W).
            infrared: (H, W).

        Raises:
            UserError: there is no picture, or it is damaged or of another size.
        """
        if self.path is None:
            frame = visible if self.name in IN_COLOUR else grey(visible)
            return BASELINES[self.name](frame, infrared)
        if self.path.is_file():
            return _fuser(self.path)(visible, infrared)
        picture = read_visible(path := self._picture(image))
        if picture.shape[:2] != infrared.shape:
            height, width = picture.shape[:2]
            expected = f"{infrared.shape[1]}x{infrared.shape[0]}"
            raise UserError(f"{path}: {width}x{height}, but its sources are {expected}")
        return picture

    def _picture(self, image: str) -> Path:
        assert self.path is not None
        found = find_images(self.path).get(image, [])
        if len(found) != 1:
            raise UserError(f"{self.path / image}.*: {len(found)} pictures instead of one")
        return found[0]


def find_methods(texts: Iterable[str], models: Path) -> list[Method]:
    """Methods from their names on the command line.

    Args:
        texts: each a baseline, "baselines" for all of them, a bundled model, or `[NAME=]PATH` of a
            `.onnx`, of a checkpoint (which is exported) or of a folder.
        models: folder for the exported models.

    Raises:
        UserError: one of them is none of these, two have one name, or an export failed.
    """
    methods: list[Method] = []
    for text in texts:
        if text == ALL_BASELINES:
            methods += [Method(name, "baseline") for name in BASELINES]
        elif text in BASELINES:
            methods.append(Method(text, "baseline"))
        else:
            methods.append(_from_path(*named(text), models))
    names = [method.name for method in methods]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two methods are called {repeated[0]}; write NAME={repeated[0]}")
    return methods


def named(text: str) -> tuple[str, Path]:
    """`NAME=PATH`, or a path that gives its own name."""
    name, equals, rest = text.partition("=")
    path = Path(rest if equals else text)
    if not equals:
        whole = path.resolve()  # "." has a name, too
        name = whole.name if whole.is_dir() else whole.stem
    if not re.fullmatch(r"[\w+][\w +.-]*", name):
        raise UserError(f"{text}: a name is letters, digits, spaces and _+.-; write NAME={text}")
    return name, path


def _from_path(name: str, path: Path, models: Path) -> Method:
    if str(path) in CATALOGUE:
        path = find_model(str(path))
    if path.is_dir():
        return Method(name, path.name, path)
    if path.suffix in CHECKPOINTS:
        model = export_models(path, models / name)[0].path
    elif path.suffix == ".onnx":
        model = path
        _fuser(model)  # says in one line what is wrong with it, before the work starts
    else:
        raise UserError(
            f"{path}: neither a folder, a model (.onnx, .safetensors, .pth) nor one of "
            f"{', '.join(CATALOGUE)}, {', '.join(BASELINES)}, {ALL_BASELINES}"
        )
    return Method(name, f"{path.name}, SHA-256 {_digest(path)[:12]}", model)


@cache
def _fuser(path: Path) -> Fuser:
    """One thread: the workers are as many as there are cores."""
    return Fuser(path, device="cpu", threads=1)


@cache
def _digest(path: Path) -> str:
    return digest(path)
