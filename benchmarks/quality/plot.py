"""All metrics of all methods at one glance: a panel for each metric, a dot for each mean."""

from itertools import cycle
from typing import Any

from matplotlib.ticker import MaxNLocator

from benchmarks.drawing import COLOURS, FADED, clear, new_figure, style, svg

ACROSS = 4  # panels


def draw(record: dict[str, Any]) -> bytes:
    """The plot of a `quality.json`, as SVG."""
    methods, metrics = list(record["methods"]), record["metrics"]
    rows = -(-len(metrics) // ACROSS)
    offsets = [0.16 * (2 * n - len(record["data"]) + 1) for n in range(len(record["data"]))]
    with style():
        figure = new_figure(0.5 + rows * (0.55 + 0.16 * len(methods)))
        panels = figure.subplots(rows, ACROSS, sharey=True, squeeze=False).ravel()
        for panel in panels[len(metrics) :]:
            panel.set_visible(False)
        for panel, (metric, about) in zip(panels, metrics.items(), strict=False):
            arrow = "→" if about["higher_is_better"] else "←"
            unit = f" ({about['unit']})" if about["unit"] else ""
            panel.set_title(f"{metric}{unit} {arrow}")
            for (name, data), colour, offset in zip(
                record["data"].items(), cycle(COLOURS), offsets, strict=False
            ):
                summaries = [data["summary"][m][metric] for m in methods]
                found = [(n + offset, s) for n, s in enumerate(summaries) if s["mean"] is not None]
                for y, f in found:
                    if f["interval"] != [None, None]:  # of one pair there is none
                        panel.hlines(y, *f["interval"], color=colour, linewidth=1.2)
                at, means = [y for y, _ in found], [f["mean"] for _, f in found]
                panel.plot(means, at, "o", color=colour, markersize=3.2, label=name)
            panel.set_yticks(range(len(methods)), methods)
            panel.set_ylim(len(methods) - 0.4, -0.6)
            panel.xaxis.set_major_locator(MaxNLocator(3))
            clear(panel)
        figure.suptitle(
            "Mean and 95% interval over the images; arrows point to better",
            x=0.01,
            ha="left",
            fontsize=8.5,
            color=FADED,
        )
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="upper right",
            ncols=len(record["data"]),
            frameon=False,
            borderaxespad=0.2,
        )
        return svg(figure)
