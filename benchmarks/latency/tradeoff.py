"""What the bundled models and trivial fusions keep, against the time that they take."""

from itertools import cycle
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from benchmarks.baselines import BASELINES
from benchmarks.drawing import COLOURS, FADED, clear, new_figure, style, svg

PLOTTED = ("480x640", 2)  # size and threads
MEASURES = {"kept": "targets kept →", "detail": "detail kept →"}


class Paper(NamedTuple):
    """A time that a paper states, of another machine; its pictures were not measured here."""

    method: str
    milliseconds: float
    where: str  # size of the frame, and the device if the paper's abstract names it


PAPERS = (
    # Zhang et al., Inf. Fusion 99 (2023) 101863, abstract.
    Paper("APWNet", 27, "512x512, Xavier NX"),
    # MAVFusion, 2026, abstract: 14.16 frames per second of video.
    Paper("MAVFusion", 1000 / 14.16, "480x640, video"),
)


def draw(content: dict[str, Any], targets: dict[str, Any]) -> bytes:
    """Targets and detail kept of real pairs against milliseconds, as SVG, with 95% intervals.

    Trivial fusions are faded. Times of papers are lines, as nothing is known of what they keep.

    Args:
        content: a `bundled.json`.
        targets: a `targets.json`.
    """
    summary = targets["data"]["real"]["summary"]
    times = {
        r["name"]: 1000 * r["percentiles"][0]
        for r in content["results"]
        if (r["size"], r["threads"]) == PLOTTED and r["name"] in summary
    }
    with style():
        figure = new_figure(6.4)
        panels = figure.subplots(len(MEASURES), 1, sharex=True)
        for panel, (measure, title) in zip(panels, MEASURES.items(), strict=True):
            _draw_papers(panel, measure == "kept")
            colours = cycle(COLOURS)
            for name, x in times.items():
                trivial = name in BASELINES
                colour = FADED if trivial else next(colours)
                y, interval = summary[name][measure]["value"], summary[name][measure]["interval"]
                panel.plot(x, y, "o", color=colour, markersize=4)
                panel.vlines(x, *interval, color=colour, linewidth=0.6, alpha=0.5)
                panel.annotate(
                    name,
                    (x, y),
                    (-4 if trivial else 4, 3),
                    textcoords="offset points",
                    ha="right" if trivial else "left",
                    color=colour,
                )
            panel.set_xscale("log")
            panel.set_ylabel(title, color=FADED)
            panel.margins(x=0.12)
            clear(panel)
        size, threads = PLOTTED
        panels[-1].set_xlabel(f"ms a frame of {size}, {threads} threads", color=FADED)
        return svg(figure)


def _draw_papers(panel: Axes, named: bool) -> None:
    for paper, side in zip(PAPERS, ("right", "left"), strict=True):
        panel.axvline(paper.milliseconds, color=FADED, linewidth=0.6, linestyle=":")
        if named:
            panel.annotate(
                f"{paper.method}, its paper:\n{paper.milliseconds:.0f} ms, {paper.where}",
                (paper.milliseconds, 0),
                (-3 if side == "right" else 3, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha=side,
                color=FADED,
                fontsize=6,
            )
