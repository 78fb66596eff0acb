"""Scores of many targets put into few figures: shares, means, intervals, paired differences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import SOURCES
from benchmarks.methods import Method
from benchmarks.targets.measures import LOST
from benchmarks.targets.scores import Result, Values

RESAMPLES = 10_000
Floats = NDArray[np.float64]


class Measure(NamedTuple):
    """A figure of a method: the mean, over all images, of the values that each has.

    Attributes:
        title: of its column.
        higher_is_better: how to read it.
        values: of one image, any number of them.
        percent: whether it is shown as one.
    """

    title: str
    higher_is_better: bool
    values: Callable[[Result], Values]
    percent: bool = True


MEASURES = {
    "lost": Measure(
        "targets lost", False, lambda r: [None if t is None else float(t < LOST) for t in r.targets]
    ),
    "kept": Measure("targets kept", True, lambda r: r.targets, percent=False),
    "detail": Measure("detail kept", True, lambda r: r.details, percent=False),
    "fine": Measure("invented, fine", False, lambda r: [r.fine]),
    "coarse": Measure("invented, coarse", False, lambda r: [r.coarse]),
    "colour": Measure("colour kept", True, lambda r: [r.colour], percent=False),
}


def record(
    results: Sequence[Result], methods: Sequence[Method], against: str | None
) -> dict[str, Any]:
    """Everything that was measured, for `targets.json`.

    In each data set, methods are compared on the images that all of them have. Intervals of 95%
    come from bootstrap over images, each with all of its targets, and the same resamples for all
    methods.

    Args:
        results: of all images and methods, without those that are problems.
        methods: in the order of the table.
        against: the method from which the others' differences are taken; none if None.
    """
    data = {}
    for name in dict.fromkeys(result.data for result in results):
        found = {(r.method, r.image): r for r in results if r.data == name}
        present = [m.name for m in methods if any(m.name == method for method, _ in found)]
        images = [
            image
            for image in sorted({image for _, image in found})
            if all((method, image) in found for method in present)
        ]
        by_method = {m: [found[m, image] for image in images] for m in present}
        first = next(iter(by_method.values()))
        data[name] = {
            "images": images,
            "targets": sum(len(result.targets) for result in first),
            "details": sum(len(result.details) for result in first),
            "summary": _summary(by_method, against),
            "results": [
                {k: v for k, v in asdict(r).items() if k not in ("data", "problem")}
                for of_method in by_method.values()
                for r in of_method
            ],
        }
    return {
        "against": against,
        "lost_below": LOST,
        "measures": {
            name: {"title": m.title, "higher_is_better": m.higher_is_better}
            for name, m in MEASURES.items()
        },
        "methods": {method.name: method.source for method in methods},
        "data": data,
    }


def tabulate(content: dict[str, Any]) -> str:
    """Two tables for each data set, of the figures and of the differences: methods down."""
    machine, against = content["machine"], content["against"]
    lines = [
        "Targets kept: share of the contrast that the better source gives them; lost: under "
        f"{content['lost_below']}. Detail kept: of the visible frame's, where it has some. "
        "Invented: share of the gradients that no source has. In brackets the 95% interval "
        f"(bootstrap over pairs, {RESAMPLES:,} resamples). {machine['measured'][:10]}, "
        f"ship-deploy {machine['ship-deploy']}.",
    ]
    ranks = content.get("mean_rank", {})
    for name, measured in content["data"].items():
        counts = f"{measured['targets']} targets, {measured['details']} regions of detail"
        lines += ["", f"### {name}: {len(measured['images'])} pairs, {counts}", ""]
        columns = [
            f"{m['title']} {'↑' if m['higher_is_better'] else '↓'}"
            for m in content["measures"].values()
        ]
        extra = [f"mean rank, {data} ↓" for data in ranks]
        lines.append(f"| | {' | '.join(columns + extra)} |")
        lines.append("|---|" + "---:|" * len(columns + extra))
        best = _best(measured["summary"], content)
        for method, figures in measured["summary"].items():
            ranked = method not in SOURCES
            cells = [_cell(m, f, ranked and f["value"] == best[m]) for m, f in figures.items()]
            cells += [_rank(of_data.get(method)) for of_data in ranks.values()]
            lines.append(f"| {method} | {' | '.join(cells)} |")
        if against in measured["summary"]:
            lines += ["", f"{against} less each other method, in bold where 0 is outside:", ""]
            lines.append(f"| | {' | '.join(columns)} |")
            lines.append("|---|" + "---:|" * len(columns))
            for method, figures in measured["summary"].items():
                if method != against:
                    cells = [_difference(m, figures[m]["difference"]) for m in figures]
                    lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def show(name: str, value: float, sign: str = "") -> str:
    """A measure's value as text; with a sign where `sign` is "+"."""
    if MEASURES[name].percent:
        return f"{100 * value:{sign}.1f}%"
    return f"{value:{sign}.3f}"


def _summary(by_method: Mapping[str, Sequence[Result]], against: str | None) -> dict[str, Any]:
    """Method -> measure -> value, interval, count, difference from the chosen method."""
    images = len(next(iter(by_method.values())))
    picks = np.random.default_rng(0).integers(0, images, (RESAMPLES, images))
    counts = np.stack([np.bincount(pick, minlength=images) for pick in picks]).astype(np.float64)
    summary: dict[str, Any] = {method: {} for method in by_method}
    for name, measure in MEASURES.items():
        tables = {m: _sums(measure, results) for m, results in by_method.items()}
        draws = {m: _means(counts @ table) for m, table in tables.items()}
        whole = {m: float(_means(table.sum(0)[None])[0]) for m, table in tables.items()}
        for method, table in tables.items():
            figure: dict[str, Any] = {
                "value": _figure(whole[method]),
                "interval": _interval(draws[method]),
                "count": int(table[:, 1].sum()),
            }
            if against in tables and method != against:
                figure["difference"] = {
                    "value": _figure(whole[against] - whole[method]),
                    "interval": _interval(draws[against] - draws[method]),
                }
            summary[method][name] = figure
    return summary


def _sums(measure: Measure, results: Sequence[Result]) -> Floats:
    """Sum and number of the values of each image, (images, 2)."""
    known = [[v for v in measure.values(result) if v is not None] for result in results]
    return np.array([(sum(values), len(values)) for values in known], np.float64)


def _means(sums: Floats) -> Floats:
    """(N, 2) of sums and numbers to (N,) of means, NaN where there is nothing."""
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)


def _interval(draws: Floats) -> list[float | None]:
    known = draws[np.isfinite(draws)]
    return [_figure(v) for v in np.percentile(known, (2.5, 97.5))] if known.size else [None, None]


def _figure(value: float) -> float | None:
    """Five digits, which JSON can hold; None for NaN."""
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _best(summary: Mapping[str, Any], content: dict[str, Any]) -> dict[str, float | None]:
    """The best value of each measure among the fusions; None where there is none."""
    best: dict[str, float | None] = {}
    fusions = [figures for method, figures in summary.items() if method not in SOURCES]
    for name, about in content["measures"].items():
        values = [f[name]["value"] for f in fusions if f[name]["value"] is not None]
        best[name] = (max if about["higher_is_better"] else min)(values, default=None)
    return best


def _cell(name: str, figure: dict[str, Any], best: bool) -> str:
    if figure["value"] is None:
        return "n/a"
    text = show(name, figure["value"])
    if name == "lost":
        text = f"{round(figure['value'] * figure['count'])}, {text}"
    text = f"**{text}**" if best else text
    return f"{text} ({' to '.join(show(name, v) for v in figure['interval'])})"


def _difference(name: str, difference: dict[str, Any]) -> str:
    low, high = difference["interval"]
    if low is None:
        return "n/a"
    text = show(name, difference["value"], "+")
    text = f"**{text}**" if low > 0 or high < 0 else text
    return f"{text} ({show(name, low, '+')} to {show(name, high, '+')})"


def _rank(rank: float | None) -> str:
    return "n/a" if rank is None else f"{rank:.2f}"
