"""The figures in the bundled model's card: training, digests, metrics; never typed by hand."""

import json
from pathlib import Path
from typing import Any

from ship_deploy.errors import UserError
from ship_deploy.models import find_model
from training.checkpoints import digest, read_metadata, training_configs

BUNDLED_MODEL = find_model("ship")
CARD = BUNDLED_MODEL.with_name("README.md")
BEGIN, END = "<!-- written by `python -m benchmarks report` -->", "<!-- end -->"
METHODS = "ship", "authors"
UNKNOWN = "The metrics of `ship` have not been measured since it has new weights."


def update(card: str, figures: Path, checkpoint: Path) -> str:
    """The card with its figures written anew.

    Args:
        card: its text, with the two marks between which they go.
        figures: a `quality.json`; figures are shown where it has the methods "ship" and "authors".
        checkpoint: the weights that the bundled model was exported from.

    Raises:
        UserError: there are no marks.
    """
    record = json.loads(figures.read_text("utf-8"))
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{CARD}: lacks the line {END if begin else BEGIN}")
    written = [*_training(training_configs(checkpoint), checkpoint), "", *_figures(record)]
    return "\n".join([before + BEGIN, "", *written, "", END + after])


def lead(record: dict[str, Any]) -> str:
    """A line: in how many metrics of a `quality.json` `ship` leads the authors'."""
    if not _has_both(record):
        return UNKNOWN + "\n"
    counts = []
    for name, data in record["data"].items():
        means = [{k: m["mean"] for k, m in data["summary"][method].items()} for method in METHODS]
        better = sum(
            (means[0][metric] > means[1][metric]) == about["higher_is_better"]
            for metric, about in record["metrics"].items()
            if means[0][metric] != means[1][metric]
        )
        counts.append(f"{better} of {len(record['metrics'])} metrics on {name}")
    return f"`ship` is ahead of the published weights in {' and '.join(counts)}.\n"


def _has_both(record: dict[str, Any]) -> bool:
    return set(METHODS) <= record["methods"].keys()


def _training(stages: list[dict[str, Any]], checkpoint: Path) -> list[str]:
    """A column for each run that the weights went through, then the files' digests."""
    columns = [_stage(config) for config in stages]
    names = [f"stage {number}" for number in range(1, len(stages) + 1)]
    return [
        f"| | {' | '.join(names)} |",
        "|---|" + "---|" * len(columns),
        *(f"| {fact} | {' | '.join(c[fact] for c in columns)} |" for fact in columns[0]),
        "",
        *_mixed(checkpoint),
        f"SHA-256 of `ship.onnx`: `{digest(BUNDLED_MODEL)}`  ",
        f"SHA-256 of `configs/{checkpoint.name}`: `{digest(checkpoint)}`",
    ]


def _mixed(checkpoint: Path) -> list[str]:
    shares = read_metadata(checkpoint).get("mixed")
    return [f"Averaged weights: {shares} (SHA-256 of the checkpoints).", ""] if shares else []


def _stage(config: dict[str, Any]) -> dict[str, str]:
    data, optimiser, loss = config["data"], config["optimiser"], config["loss"]
    weights = {name: w for name, w in loss.items() if isinstance(w, float | int) and w is not True}
    terms = [
        f"{weight:g} {name}" + (f" ({form})" if (form := loss.get(f"{name}_form")) else "")
        for name, weight in weights.items()
        if weight
    ]
    return {
        "iterations": f"{optimiser['iterations']:,}",
        "crops": f"{data['batch']} of {data['crop']}x{data['crop']}",
        "seed": str(config["run"]["seed"]),
        "loss": " + ".join(terms),
        "Adam": f"{optimiser['learning_rate']:g}, half a cosine",
        "warm-up": str(optimiser["warmup"]),
        "clipped at": f"{optimiser['clip']:g}",
        "average": f"{optimiser['average']:g}",
        "precision": optimiser["precision"],
    }


def _figures(record: dict[str, Any]) -> list[str]:
    """Means over the images of each data set, the better of the two methods in bold."""
    if not _has_both(record):
        return [UNKNOWN]
    columns = [(data, method) for data in record["data"] for method in METHODS]
    today = digest(BUNDLED_MODEL)[:12] in record["methods"]["ship"]
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
