"""All metrics of all methods at one glance: a panel for each metric, a dot for each mean."""

import io
from itertools import cycle
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

ACROSS = 4  # panels
WIDTH = 8.4  # inches, at 96 pixels each: what a README is wide
COLOURS = ("#c4500f", "#2f6fb0", "#3f8f4f", "#8a56a8")  # of the data sets
STYLE = {
    "svg.fonttype": "none",  # text stays text: small, and sharp at any size
    "svg.hashsalt": "ship-deploy",  # the same figures give the same file
    "font.family": "sans-serif",  # with its generic name behind it, for pages elsewhere
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.edgecolor": "#c9c9c5",
    "xtick.color": "#55595f",
    "ytick.color": "#1b1e22",
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
}


def draw(record: dict[str, Any]) -> bytes:
    """The plot of a `quality.json`, as SVG on its own light ground, for any page."""
    methods, metrics = list(record["methods"]), record["metrics"]
    rows = -(-len(metrics) // ACROSS)
    offsets = [0.16 * (2 * n - len(record["data"]) + 1) for n in range(len(record["data"]))]
    with mpl.rc_context(STYLE):
        height = 0.5 + rows * (0.55 + 0.16 * len(methods))
        figure = Figure((WIDTH, height), facecolor="#fbfbf9", layout="constrained")
        panels = figure.subplots(rows, ACROSS, sharey=True, squeeze=False).ravel()
        for panel in panels[len(metrics) :]:
            panel.set_visible(False)
        for panel, (metric, about) in zip(panels, metrics.items(), strict=False):
            arrow = "→" if about["higher_is_better"] else "←"
            unit = f" ({about['unit']})" if about["unit"] else ""
            panel.set_title(f"{metric}{unit} {arrow}", loc="left", color="#1b1e22")
            for (name, data), colour, offset in zip(
                record["data"].items(), cycle(COLOURS), offsets, strict=False
            ):
                found = [(n, data["summary"][m][metric]) for n, m in enumerate(methods)]
                found = [(n + offset, f) for n, f in found if f["mean"] is not None]
                for y, f in found:
                    panel.hlines(y, *f["interval"], color=colour, linewidth=1.2)
                at, means = [y for y, _ in found], [f["mean"] for _, f in found]
                panel.plot(means, at, "o", color=colour, markersize=3.2, label=name)
            panel.set_yticks(range(len(methods)), methods)
            panel.set_ylim(len(methods) - 0.4, -0.6)
            panel.xaxis.set_major_locator(MaxNLocator(3))
            panel.grid(axis="y", color="#ecece8", linewidth=0.8)
            panel.set_axisbelow(True)
            panel.set_facecolor("#ffffff")
            panel.tick_params(length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
        figure.suptitle(
            "Mean and 95% interval over the images; arrows point to better",
            x=0.01,
            ha="left",
            fontsize=8.5,
            color="#55595f",
        )
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="upper right",
            ncols=len(record["data"]),
            frameon=False,
            borderaxespad=0.2,
        )
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
