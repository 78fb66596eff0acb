"""Scores of many images put into few figures: means, intervals, ranks; JSON, CSV, Markdown."""

import csv as csv_writer
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.baselines import SOURCES
from benchmarks.methods import Method
from benchmarks.quality.comparison import FEWEST, RESAMPLES, compare, describe
from benchmarks.quality.scores import Result
from benchmarks.ranks import mean_rank
from ship_deploy.images import FilePair
from training.metrics import METRICS, Convention

COLUMNS = ("data", "method", "metric", "unit", "better", "mean", "low", "high", "images", "rank")


def record(
    results: Sequence[Result],
    pairs: Mapping[str, Sequence[FilePair]],
    methods: Sequence[Method],
    convention: Convention,
    against: str,
) -> dict[str, Any]:
    """Everything that was measured, for `quality.json`.

    Methods are compared on the images that all of them have, and each with `against`.
    """
    scores = {(r.data, r.method, r.image): r.scores for r in results}
    names = [method.name for method in methods]
    data = {}
    for name, of_name in pairs.items():
        images = [p.name for p in of_name if all((name, m, p.name) in scores for m in names)]
        by_method = {
            method: {
                metric: [_figure(scores[name, method, image][metric]) for image in images]
                for metric in METRICS
            }
            for method in names
        }
        data[name] = {
            "pairs": len(of_name),
            "images": images,
            "scores": by_method,
            "summary": _summary(by_method),
            "comparison": compare(by_method, against),
        }
    return {
        "convention": convention,
        "against": against,
        "metrics": {
            name: {"unit": metric.unit_in(convention), "higher_is_better": metric.higher_is_better}
            for name, metric in METRICS.items()
        },
        "methods": {method.name: method.source for method in methods},
        "data": data,
    }


def dump(content: dict[str, Any]) -> str:
    """JSON, indented, but with every list of figures on one line."""
    lists: list[str] = []

    def shorten(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shorten(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            lists.append(json.dumps(value))
            return f"list {len(lists) - 1}"
        return value

    text = json.dumps(shorten(content), indent=1)
    for number, line in enumerate(lists):
        text = text.replace(f'"list {number}"', line, 1)
    return text


def csv(content: dict[str, Any]) -> str:
    """One line for each data set, method and metric."""
    text = io.StringIO()
    writer = csv_writer.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for data, measured in content["data"].items():
        for method, figures in measured["summary"].items():
            for metric, about in content["metrics"].items():
                f = figures[metric]
                better = "higher" if about["higher_is_better"] else "lower"
                numbers = f["mean"], *f["interval"], f["images"], f["rank"]
                writer.writerow([data, method, metric, about["unit"], better, *numbers])
    return text.getvalue()


def markdown(content: dict[str, Any]) -> str:
    """A table for each data set: metrics down, methods across, the best in bold."""
    host = content["machine"]
    lines = [
        f"Convention `{content['convention']}`; mean over the images, half of its 95% interval "
        f"(bootstrap, {RESAMPLES:,} resamples), and in brackets the rank among the fusions. "
        f"{host['measured'][:10]}, ship-deploy {host['ship-deploy']}, "
        f"onnxruntime {host['onnxruntime']}.",
    ]
    for data, measured in content["data"].items():
        figures = measured["summary"]
        count = len(measured["images"])
        of = "" if count == measured["pairs"] else f" of {measured['pairs']}"
        lines += ["", f"### {data}, {count}{of} pairs", "", f"| | {' | '.join(figures)} |"]
        lines.append("|---|" + "---:|" * len(figures))
        for metric, about in content["metrics"].items():
            arrow = "↑" if about["higher_is_better"] else "↓"
            unit = f", {about['unit']}" if about["unit"] else ""
            cells = " | ".join(_cell(figures[method][metric]) for method in figures)
            lines.append(f"| {metric}{unit} {arrow} | {cells} |")
        means = [mean_rank(of_method) for of_method in figures.values()]
        shown = ("" if mean is None else f"{mean:.1f}" for mean in means)
        lines.append(f"| mean rank ↓ | {' | '.join(shown)} |")
        if counts := measured.get("comparison"):
            few = (
                "" if count >= FEWEST else f" With fewer than {FEWEST} pairs nothing is told apart."
            )
            said = describe(counts, content["against"])
            lines += ["", f"Told apart by the 95% interval of the difference.{few}", ""]
            lines += [f"- {sentence}" for sentence in said]
    return "\n".join(lines) + "\n"


def _summary(scores: Mapping[str, Mapping[str, Sequence[float | None]]]) -> dict[str, Any]:
    """Method -> metric -> mean, interval, images, rank among the fusions (1 is best).

    A source alone has none. Means that agree to four digits share a rank: the rest is rounding.
    """
    figures: dict[str, Any] = {
        method: {metric: _mean(values) for metric, values in of_method.items()}
        for method, of_method in scores.items()
    }
    for metric, about in METRICS.items():
        sign = -1 if about.higher_is_better else 1
        found = [of_method[metric] for of_method in figures.values()]
        fusions = [method not in SOURCES for method in figures]
        keys = [
            float(f"{sign * f['mean']:.4g}") if f["mean"] is not None and fusion else None
            for f, fusion in zip(found, fusions, strict=True)
        ]
        order = sorted(key for key in keys if key is not None)
        for f, key in zip(found, keys, strict=True):
            f["rank"] = None if key is None else order.index(key) + 1
    return figures


def _mean(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and its 95% interval by bootstrap, over the images that have a score; of one, none."""
    known = np.array([value for value in values if value is not None])
    if not known.size:
        return {"mean": None, "interval": [None, None], "images": 0}
    if known.size == 1:
        return {"mean": _figure(known.mean()), "interval": [None, None], "images": 1}
    picks = np.random.default_rng(0).integers(0, len(known), (RESAMPLES, len(known)))
    low, high = np.percentile(known[picks].mean(1), (2.5, 97.5))
    interval = [_figure(low), _figure(high)]
    return {"mean": _figure(known.mean()), "interval": interval, "images": len(known)}


def _cell(figure: dict[str, Any]) -> str:
    if figure["mean"] is None:
        return "n/a"
    mean, (low, high) = figure["mean"], figure["interval"]
    decimals = 1 if abs(mean) >= 10 else 2 if abs(mean) >= 1 else 3
    text = f"{mean:.{decimals}f}"
    text = f"**{text}**" if figure["rank"] == 1 else text
    rank = f" ({figure['rank']})" if figure["rank"] else ""
    half = "" if low is None else f" ±{(high - low) / 2:.{decimals}f}"
    return f"{text}{half}{rank}"


def _figure(value: float) -> float | None:
    """Six digits, which JSON can hold; None for NaN. No score is infinite."""
    assert not math.isinf(value)
    return None if math.isnan(value) else float(f"{value:.6g}")
