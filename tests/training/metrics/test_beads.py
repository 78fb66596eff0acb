"""Edge beads: drawn by hand, and equal to the tool that defines them."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.metrics import METRICS

EDGE_ROW = 40


def beads(*images: np.ndarray) -> float:
    return METRICS["edge beads"](*(torch.from_numpy(np.uint8(i)) for i in images)).item()


def edge(low: int = 60, high: int = 180) -> np.ndarray:
    """A horizontal edge, (80, 100)."""
    image = np.full((80, 100), low)
    image[EDGE_ROW:] = high
    return image


def dotted(image: np.ndarray, period: int, amplitude: int) -> np.ndarray:
    """The same with a dotted line along the edge."""
    image = image.copy()
    columns = np.arange(image.shape[1])
    wave = amplitude * np.cos(2 * np.pi / period * columns)
    image[EDGE_ROW - 1 : EDGE_ROW + 2] += wave.round().astype(int)
    return image


@pytest.mark.parametrize("period", [2, 3, 4])
def test_a_dotted_line_along_an_edge_counts_and_a_clean_edge_does_not(period):
    sources = edge(), edge(90, 120)
    assert beads(edge(), *sources) == 0
    assert beads(edge(20, 240), *sources) == 0  # nor does contrast
    assert beads(dotted(edge(), period, 20), *sources) > 30
    assert beads(dotted(edge(), period, 20).T, *(s.T for s in sources)) > 30


def test_dots_that_a_source_has_are_no_beads():
    source = dotted(edge(), 3, 20)
    assert beads(source, source, edge(90, 120)) == 0


def test_dots_away_from_edges_are_not_judged():
    flat = np.full((80, 100), 100)
    assert beads(dotted(flat, 3, 20), flat, flat) == 0


def test_dots_across_the_edge_or_too_faint_are_no_beads():
    sources = edge(), edge(90, 120)
    assert beads(dotted(edge(), 3, 2), *sources) == 0
    stripes = edge() + (12 * np.cos(2 * np.pi / 3 * np.arange(80))).round().astype(int)[:, None]
    assert beads(stripes, *sources) == 0


def test_it_is_what_the_tool_measures(shared: Path):
    """On real pictures of the authors' weights, which have beads."""
    spec = importlib.util.spec_from_file_location("tool", shared / "tools" / "edge_beads.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for name in ("roadscene_a", "roadscene_c", "vga_480x640"):
        pair = np.load(shared / "golden" / f"{name}.npz")
        grey = [
            cv2.cvtColor(pair[key], cv2.COLOR_BGR2GRAY) if pair[key].ndim == 3 else pair[key]
            for key in ("fused_bgr_u8", "visible_bgr_u8", "infrared_u8")
        ]
        expected = tool.edge_beads(*grey)
        # The tool computes in FP32: a pixel at a threshold may fall on the other side.
        assert beads(*grey) == pytest.approx(expected, abs=0.01)
        assert expected > 0.2
