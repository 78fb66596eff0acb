"""The facts in the bundled model's card: recipe, digests and figures, never typed by hand."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ship_deploy.errors import UserError
from ship_deploy.fuser import BUNDLED_MODEL
from training.checkpoints import digest

CARD = BUNDLED_MODEL.with_name("README.md")
BEGIN, END = "<!-- written by `python -m benchmarks report` -->", "<!-- end -->"
METHODS = "bundled", "authors"


def update(card: str, figures: Path, checkpoint: Path) -> str:
    """The card with its facts written anew.

    Args:
        card: its text, with the two marks between which the facts go.
        figures: a `quality.json` with the methods "bundled" and "authors".
        checkpoint: the weights that the bundled model was exported from.

    Raises:
        UserError: there are no marks, or the figures lack one of the methods.
    """
    record = json.loads(figures.read_text("utf-8"))
    if missing := set(METHODS) - record["methods"].keys():
        raise UserError(f"{figures}: no method {min(missing)}; run quality with -m {min(missing)}=")
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{CARD}: lacks the line {END if begin else BEGIN}")
    with safe_open(checkpoint, framework="np") as file:
        recipe = json.loads(file.metadata()["recipe"])
    facts = [*_facts(recipe, checkpoint), "", *_figures(record)]
    return "\n".join([before + BEGIN, "", *facts, "", END + after])


def _facts(recipe: dict[str, Any], checkpoint: Path) -> list[str]:
    data, optimiser, loss = recipe["data"], recipe["optimiser"], recipe["loss"]
    crops = f"{data['batch']} crops of {data['crop']}x{data['crop']}"
    terms = [
        f"{loss[name]:g} {name}" + (f" ({form})" if (form := loss.get(f"{name}_form")) else "")
        for name in ("mask", "intensity", "gradient", "ssim")
        if loss[name]
    ]
    facts = {
        "iterations": f"{optimiser['iterations']:,}, of {crops}",
        "seed": recipe["run"]["seed"],
        "loss": " + ".join(terms),
        "optimiser": f"Adam, {optimiser['learning_rate']:g}, warm-up {optimiser['warmup']}, then "
        f"half a cosine; clipped at {optimiser['clip']:g}; average {optimiser['average']:g}",
        "precision": optimiser["precision"],
        "SHA-256 of `ship.onnx`": f"`{digest(BUNDLED_MODEL)}`",
        f"SHA-256 of `configs/{checkpoint.name}`": f"`{digest(checkpoint)}`",
    }
    return ["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items())]


def _figures(record: dict[str, Any]) -> list[str]:
    """Means over the images of each data set, the better of the two methods in bold."""
    columns = [(data, method) for data in record["data"] for method in METHODS]
    today = digest(BUNDLED_MODEL)[:12] in record["methods"]["bundled"]
    lines = [
        f"Convention `{record['convention']}`, {record['machine']['measured'][:10]}; measured were "
        + " and ".join(f"{name} = {record['methods'][name]}" for name in METHODS)
        + ("" if today else "; `ship.onnx` was exported anew since")
        + ". All methods, with intervals: `benchmarks/results/quality.md`.",
        "",
        "| | " + " | ".join(f"{data}, {method}" for data, method in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for metric, about in record["metrics"].items():
        best = max if about["higher_is_better"] else min
        cells = []
        for data, method in columns:
            means = {m: record["data"][data]["summary"][m][metric]["mean"] for m in METHODS}
            text = f"{means[method]:#.3g}"
            cells.append(f"**{text}**" if means[method] == best(means.values()) else text)
        lines.append(f"| {metric} {'↑' if best is max else '↓'} | {' | '.join(cells)} |")
    return lines
