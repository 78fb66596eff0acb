"""Targets kept against detail kept: which methods no other beats in both."""

from itertools import cycle
from typing import Any

from benchmarks.baselines import BASELINES
from benchmarks.drawing import COLOURS, FADED, clear, new_figure, style, svg

HEIGHT = 4.2  # inches


def draw(record: dict[str, Any]) -> bytes:
    """The plot of a `targets.json`, as SVG: a panel for each data set.

    A dot is a method, with the 95% intervals of both; baselines are faded. The line joins the
    methods that no other beats in both.
    """
    with style():
        figure = new_figure(HEIGHT)
        panels = figure.subplots(1, len(record["data"]), squeeze=False)[0]
        for panel, (name, measured) in zip(panels, record["data"].items(), strict=True):
            points = {
                method: (f["detail"], f["kept"])
                for method, f in measured["summary"].items()
                if f["detail"]["value"] is not None and f["kept"]["value"] is not None
            }
            colours = cycle(COLOURS)
            for method, (detail, kept) in points.items():
                colour = FADED if method in BASELINES else next(colours)
                x, y = detail["value"], kept["value"]
                panel.hlines(y, *detail["interval"], color=colour, linewidth=0.6, alpha=0.5)
                panel.vlines(x, *kept["interval"], color=colour, linewidth=0.6, alpha=0.5)
                panel.plot(x, y, "o", color=colour, markersize=4)
                panel.annotate(method, (x, y), (4, 3), textcoords="offset points", color=colour)
            best = front([(d["value"], k["value"]) for d, k in points.values()])
            panel.plot(*zip(*best, strict=True), color=FADED, linewidth=0.8, linestyle=":")
            panel.set_title(f"{name}, {measured['targets']} targets")
            panel.set_xlabel("detail kept →", color=FADED)
            panel.set_ylabel("targets kept →", color=FADED)
            clear(panel)
        return svg(figure)


def front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points of which no other is at least as far in both and further in one, by the first."""
    return sorted(
        (x, y)
        for x, y in set(points)
        if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in points)
    )
