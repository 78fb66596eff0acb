"""Fidelity at one glance: a line for each candidate, a dot for each pair, and the limits."""

from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from benchmarks.drawing import COLOURS, FADED, INK, clear, new_figure, style, svg
from benchmarks.pairs import MADE

REAL_COLOUR, MADE_COLOUR = COLOURS[1], COLOURS[0]


def draw(content: dict[str, Any]) -> bytes:
    """The plot of a `fidelity.json`, as SVG: PSNR of the luminance, pair by pair."""
    candidates = list(content["candidates"].values())
    with style():
        figure = new_figure(1.1 + 0.3 * len(candidates))
        panel = figure.subplots()
        for row, candidate in enumerate(candidates):
            for made, colour in ((False, REAL_COLOUR), (True, MADE_COLOUR)):
                pairs = [p for p in candidate["pairs"] if (p["source"] == MADE) == made]
                psnrs = np.array([p["deviation"]["psnr"] for p in pairs])
                shift = 0.3 * np.random.default_rng(0).uniform(-1, 1, len(psnrs))
                panel.plot(psnrs, row + shift, "o", color=colour, markersize=2.6, alpha=0.75)
            for key, dashes in (("psnr", "-"), ("mean_psnr", ":")):
                if bound := candidate["tolerance"].get(key):
                    panel.vlines(bound, row - 0.4, row + 0.4, color=INK, linestyle=dashes)
        panel.set_yticks(range(len(candidates)), [c["title"] for c in candidates])
        panel.set_ylim(len(candidates) - 0.4, -0.6)
        panel.set_title("PSNR of the fused luminance against the reference network, dB →")
        clear(panel)
        dot: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 3}
        handles = [
            Line2D([], [], color=REAL_COLOUR, label="real pair", **dot),
            Line2D([], [], color=MADE_COLOUR, label="made-up frame", **dot),
            Line2D([], [], color=INK, linestyle="-", label="limit of the worst"),
            Line2D([], [], color=INK, linestyle=":", label="limit of the mean"),
        ]
        figure.legend(
            handles=handles, loc="outside lower left", ncols=4, frameon=False, labelcolor=FADED
        )
        return svg(figure)
