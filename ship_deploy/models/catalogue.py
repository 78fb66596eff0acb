"""The bundled models: what each is for, how fast and how good it was measured to be.

To add one, put its file beside this one, an entry into `catalogue.json` and its name into `Name`;
`python -m benchmarks report` writes what was measured of it, or null.
"""

import difflib
import json
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ship_deploy.errors import UserError

Name: TypeAlias = Literal["ship-s", "ship-t", "ship"]
_FOLDER = Path(str(files("ship_deploy") / "models"))


@dataclass(frozen=True)
class Speed:
    """How long a frame takes.

    Attributes:
        seconds: size of the frame, "HxW" -> median time of a frame.
        measured: engine, processor, number of threads and date.
    """

    seconds: dict[str, float]
    measured: str


@dataclass(frozen=True)
class Quality:
    """How good the fused pictures of a test set are.

    Attributes:
        means: test set -> metric -> mean over its pictures.
        measured: convention of the metrics and date.
    """

    means: dict[str, dict[str, float]]
    measured: str


@dataclass(frozen=True)
class Kept:
    """How much of what either source shows is in the fused pictures of real pairs.

    Attributes:
        lost: share of the marked targets that can hardly be seen.
        targets: mean share of the targets' contrast that is kept.
        detail: mean share of the visible frame's fine detail that is kept.
        measured: number of targets and date.
    """

    lost: float
    targets: float
    detail: float
    measured: str


@dataclass(frozen=True)
class Model:
    """A bundled model.

    Attributes:
        name: what `Fuser` and `--model` take.
        file: name of the ONNX file.
        network: the network's name.
        precision: "fp32" or "fp16".
        purpose: what it is for, in a line.
        data: what it was trained on, and under which licence that is.
        speed: as measured; None until then.
        kept: as measured by `python -m benchmarks targets`; None until then.
        quality: as measured by `python -m benchmarks quality`; None until then.
    """

    name: str
    file: str
    network: str
    precision: str
    purpose: str
    data: str
    speed: Speed | None
    kept: Kept | None
    quality: Quality | None

    @property
    def path(self) -> Path:
        """Where its file is."""
        return _FOLDER / self.file


def _model(entry: dict[str, Any]) -> Model:
    speed, kept, quality = (entry.pop(name) for name in ("speed", "kept", "quality"))
    return Model(
        **entry,
        speed=speed and Speed(**speed),
        kept=kept and Kept(**kept),
        quality=quality and Quality(**quality),
    )


CATALOGUE: dict[str, Model] = {
    entry["name"]: _model(entry)
    for entry in json.loads((_FOLDER / "catalogue.json").read_text("utf-8"))
}
"""Name -> model. The first is the default."""
WHY = (
    "the bundled model that keeps most of what either camera shows, of those that two CPU cores "
    "run at camera rate; the same on every machine"
)
"""Why the default is the default, by `python -m benchmarks targets` and `latency`."""


def find_model(model: Name | str | os.PathLike[str] | None = None) -> Path:
    """The file of a model.

    Args:
        model: name of a bundled model, or a path; None for the first of the catalogue. A file whose
            path is also a name is given as a `Path`, or as "./NAME".

    Raises:
        UserError: a word without folder or suffix that is neither a known name nor a file.
    """
    if model is None:
        return next(iter(CATALOGUE.values())).path
    if not isinstance(model, str | os.PathLike):
        raise UserError(f"model is {model!r}, expected a name or a path")
    path = Path(model)
    if path.is_dir():
        raise UserError(f"model is {str(model)!r}, a folder; expected a name or a file")
    if not isinstance(model, str):
        return path
    if model in CATALOGUE:
        return CATALOGUE[model].path
    if len(path.parts) != 1 or path.suffix or path.exists() or model.startswith("."):
        return path
    nearest = difflib.get_close_matches(model, CATALOGUE, n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    raise UserError(
        f"unknown model {model!r}{hint}; give a bundled model ({', '.join(CATALOGUE)}), "
        "or the path of a model.onnx or an engine"
    )
