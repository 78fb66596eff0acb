"""Two rendered scenes in which somebody is lost to methods that the field's metrics put first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from benchmarks import machine, record
from benchmarks.methods import Method, find_methods
from benchmarks.targets.measures import LOST
from benchmarks.targets.scores import shown
from benchmarks.targets.subjects import Seen, Subject
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import Frames
from training.data import grey
from training.metrics import METRICS

SCENES = {"dark coats on snow": 10_002, "headlights": 10_006}  # seeds of `hard_scene`
COLUMNS = ("VIF", "SSIM", "MI", "Qabf")
WIDTH, GAP, LABEL = 400, 4, 44  # pixels: of a picture, beside it, and above it for its name


class Fused(NamedTuple):
    """A scene as a method shows it, and what is said of the picture."""

    scene: str
    method: str
    picture: Frames
    kept: list[float]
    scores: dict[str, float]


def run(methods: Sequence[str], output: Path) -> str:
    """Write `unseen.jpg`, `unseen.json` and `unseen.md` into `output`.

    Args:
        methods: see `benchmarks.methods.find_methods`.
        output: the folder.

    Returns:
        The Markdown table.

    Raises:
        UserError: a method cannot be used.
    """
    make_folder(output)
    found = find_methods(methods, output / "models")
    results, rows = [], []
    for scene, seed in SCENES.items():
        seen = Subject("rendered", scene, seed=seed).read()
        fused = [judge(scene, seen, method) for method in found]
        results += fused
        rows.append(_row(seen, fused))
    _, jpg = cv2.imencode(".jpg", np.vstack(rows), (cv2.IMWRITE_JPEG_QUALITY, 88))
    write_atomically(output / "unseen.jpg", jpg.tobytes())
    content = {
        "machine": machine.describe(),
        "methods": {method.name: method.source for method in found},
        "results": [
            {"scene": f.scene, "method": f.method, "kept": f.kept, "scores": f.scores}
            for f in results
        ],
    }
    table = tabulate(content)
    record.write(output, "unseen", content, table)
    return table


def judge(scene: str, seen: Seen, method: Method) -> Fused:
    """Fuse a scene, and judge the picture by its targets and by metrics."""
    picture = shown(method, scene, seen)
    images = map(torch.from_numpy, (grey(picture), grey(seen.visible), seen.infrared))
    fused, visible, infrared = images
    scores = {name: METRICS[name](fused, visible, infrared, "cddfuse").item() for name in COLUMNS}
    kept = [float(target.kept(grey(picture))) for target in seen.targets]
    return Fused(scene, method.name, picture, kept, scores)


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of an `unseen.json`; the best of each scene in bold."""
    lines = [
        f"| scene | method | targets lost ↓ | targets kept ↑ | {' ↑ | '.join(COLUMNS)} ↑ |",
        "|---|---|---:|---:|" + "---:|" * len(COLUMNS),
    ]
    results = content["results"]
    for result in results:
        others = [r for r in results if r["scene"] == result["scene"]]
        lost, kept = _lost(result["kept"]), float(np.mean(result["kept"]))
        cells = [
            _cell(
                f"{lost} of {len(result['kept'])}", lost == min(_lost(r["kept"]) for r in others)
            ),
            _cell(f"{kept:.2f}", kept == max(float(np.mean(r["kept"])) for r in others)),
        ]
        for name in COLUMNS:
            score = result["scores"][name]
            cells.append(_cell(f"{score:.3g}", score == max(r["scores"][name] for r in others)))
        lines.append(f"| {result['scene']} | {result['method']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _lost(kept: Sequence[float]) -> int:
    return sum(share < LOST for share in kept)


def _cell(text: str, best: bool) -> str:
    return f"**{text}**" if best else text


def _row(seen: Seen, fused: Sequence[Fused]) -> Frames:
    """The sources and what was made of them beside each other, in two lines, black on white."""
    shown = [("visible", seen.visible), ("infrared", seen.infrared)]
    for f in fused:
        shown.append((f"{f.method}: {_lost(f.kept)} of {len(f.kept)} lost", f.picture))
    tiles = [_tile(*titled) for titled in shown]
    half = -(-len(tiles) // 2)
    tiles += [np.full_like(tiles[0], 255)] * (2 * half - len(tiles))
    return np.vstack([np.hstack(tiles[:half]), np.hstack(tiles[half:])])


def _tile(title: str, picture: Frames) -> Frames:
    height = WIDTH * picture.shape[0] // picture.shape[1]
    small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    tile = np.full((height + LABEL, WIDTH + GAP, 3), 255, np.uint8)
    tile[LABEL:, :WIDTH] = small if small.ndim == 3 else small[..., None]
    cv2.putText(
        tile, title, (4, LABEL - 14), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA
    )
    return tile
