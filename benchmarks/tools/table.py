"""What picture other tools make of the bundled models, each in an environment of its own."""

import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from benchmarks.environments import do, environment
from benchmarks.isolated import isolated
from benchmarks.tools.rows import ROWS, Row
from ship_deploy import Fuser
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.models import CATALOGUE
from training.scenes import render

PROBE = Path(__file__).with_name("probe.py")
SIZES = ((120, 160), (101, 134))  # height, width: the second one divides by nothing
CALIBRATION = 8  # frames that quantize_static looks at
SECONDS = 900  # for one model in one tool
LONGEST = 240  # characters of an error in the table
VERSION = "from importlib.metadata import version; import sys; print(version(sys.argv[1]))"


def run(output: Path, names: Sequence[str]) -> str:
    """Ask every tool, and write `tools.json` and `tools.md` after each.

    Args:
        output: the folder; rows that are there already and not asked for stay.
        names: of rows; all if there are none.

    Returns:
        The Markdown table.

    Raises:
        UserError: there is no such row.
    """
    known = [row.name for row in ROWS]
    if unknown := sorted(set(names) - {*known}):
        raise UserError(
            f"unknown tool {unknown[0]!r}, expected one of: {', '.join(dict.fromkeys(known))}"
        )
    make_folder(output)
    before = output / "tools.json"
    rows = json.loads(before.read_text())["rows"] if before.exists() and names else {}
    table = ""
    with tempfile.TemporaryDirectory() as folder:
        expected = _frames(Path(folder))
        for row in ROWS:
            if not names or row.name in names:
                ERR.print(" ".join(row.packages))
                rows[_key(row)] = _ask(row, Path(folder), expected)
                content = {
                    "machine": machine.describe(),
                    "sizes": [f"{h}x{w}" for h, w in SIZES],
                    "rows": {_key(r): rows[_key(r)] for r in ROWS if _key(r) in rows},
                }
                table = tabulate(content)
                record.write(output, "tools", content, table)
    return table


def _key(row: Row) -> str:
    return f"{row.name}: {row.packages[0]}"


def _frames(folder: Path) -> dict[str, list[NDArray[np.uint8]]]:
    """Frames and what ONNX Runtime makes of them, by model."""
    pairs = [render(seed, *size) for seed, size in enumerate(SIZES)]
    np.savez(folder / "frames.npz", *(frame[None] for pair in pairs for frame in pair))
    visible, infrared = zip(*(render(100 + k, *SIZES[0]) for k in range(CALIBRATION)), strict=True)
    np.savez(folder / "calibration.npz", visible=visible, infrared=infrared)
    fusers = {name: Fuser(name, backend="onnxruntime", device="cpu") for name in CATALOGUE}
    return {name: [fuser(*pair)[None] for pair in pairs] for name, fuser in fusers.items()}


def _ask(row: Row, folder: Path, expected: dict[str, list[NDArray[np.uint8]]]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": row.name, "remark": row.remark, "models": {}}
    try:
        python = environment(row.packages)
        package = row.packages[0].partition("==")[0].partition("[")[0]
        found["version"] = do([str(python), "-c", VERSION, package]).strip()
    except UserError as error:
        return {**found, "version": "", "models": {n: {"error": str(error)} for n in expected}}
    for name, frames in expected.items():
        work = folder / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        for given in ("frames.npz", "calibration.npz"):
            shutil.copy(folder / given, work)
        shutil.copy(CATALOGUE[name].path, work)
        probe = [str(python), str(PROBE), row.tool, f"{name}.onnx", "frames.npz", "result.npz"]
        try:
            isolated(do, probe, work, seconds=SECONDS)
            made = list(np.load(work / "result.npz").values())
            found["models"][name] = compare(made, frames)
        except UserError as error:
            found["models"][name] = {"error": str(error)}
    return found


def compare(made: Sequence[NDArray[Any]], expected: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
    """How far a tool's pictures are from ONNX Runtime's.

    Args:
        made: the tool's, of the first frames or of all; none if it makes no pictures.
        expected: ONNX Runtime's, (1, H, W, 3) uint8.

    Returns:
        The largest difference in levels, the share of samples that differ, and the PSNR in dB, of
        the worst picture; nothing if there is none. An error if a shape is another.
    """
    pairs = list(zip(made, expected, strict=False))
    for picture, known in pairs:
        if picture.shape != known.shape:
            return {"error": f"a picture of {picture.shape} for {known.shape}"}
    differences = [np.rint(picture.astype(np.float64)) - known for picture, known in pairs]
    if not differences:
        return {}
    noise = max(float(np.square(d).mean()) for d in differences)
    return {
        "levels": int(max(np.abs(d).max() for d in differences)),
        "off": float(max(np.mean(d != 0) for d in differences)),
        "psnr": 10 * math.log10(255**2 / noise) if noise else None,
    }


def tabulate(content: dict[str, Any]) -> str:
    """Tools down, models across; then what is said where there is no picture."""
    rows, host = content["rows"].values(), content["machine"]
    names = list(next(iter(rows))["models"])
    lines = [
        f"{host['measured'][:10]}, {host['processor']}; frames of "
        f"{' and '.join(content['sizes'])}. The largest difference from the picture of ONNX "
        f"Runtime {host['onnxruntime']}, in levels of 255, and the PSNR where it is more than one.",
        "",
        f"| tool | version | {' | '.join(names)} | |",
        "|---|---|" + "---:|" * len(names) + "---|",
    ]
    said: dict[str, list[str]] = {}
    for row in rows:
        cells = [_cell(row["models"][name]) for name in names]
        lines.append(
            f"| {row['name']} | {row['version']} | {' | '.join(cells)} | {row['remark']} |"
        )
        for name in names:
            if error := row["models"][name].get("error"):
                said.setdefault(f"{row['name']}: {_short(error)}", []).append(name)
    if said:
        lines += ["", "What is said where there is no picture:", ""]
        lines += [f"- {', '.join(models)}, {words}" for words, models in said.items()]
    return "\n".join(lines) + "\n"


def _cell(found: dict[str, Any]) -> str:
    if "error" in found:
        return "no"
    if "levels" not in found:
        return "works"
    levels = found["levels"]
    return f"**{levels}** ({found['psnr']:.0f} dB)" if levels > 1 else str(levels)


def _short(error: str) -> str:
    plain = " ".join(error.replace("|", "/").replace("<", "").replace(">", "").split())
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}..."
