"""How all plots look: SVG on a light ground of its own, for light and dark pages, README wide."""

import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 8.4  # inches, at 96 pixels each: what a README is wide
COLOURS = ("#c4500f", "#2f6fb0", "#3f8f4f", "#8a56a8", "#b58a00", "#5c6670")
INK, FADED, GROUND = "#1b1e22", "#55595f", "#fbfbf9"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and sharp at any size
    "svg.hashsalt": "ship-deploy",  # the same figures give the same file
    "font.family": "sans-serif",  # with its generic name behind it, for pages elsewhere
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.edgecolor": "#c9c9c5",
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "xtick.color": FADED,
    "ytick.color": INK,
}


def style() -> AbstractContextManager[None]:
    """While active, figures have this style."""
    return mpl.rc_context(STYLE)


def new_figure(height: float) -> Figure:
    """An empty figure, `height` in inches."""
    return Figure((WIDTH, height), facecolor=GROUND, layout="constrained")


def clear(panel: Axes) -> None:
    """Leave of a panel's frame only the line at the bottom, and a faint grid."""
    panel.grid(axis="y", color="#ecece8", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.set_facecolor("#ffffff")
    panel.tick_params(length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)


def svg(figure: Figure) -> bytes:
    """The file; to be called while the style is active."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
