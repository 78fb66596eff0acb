"""Ranks of a method in many metrics as one figure."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any


def mean_rank(figures: Mapping[str, Any]) -> float | None:
    """Of a method's figures in all metrics; None for a source alone, which is no fusion."""
    ranks = [f["rank"] for f in figures.values() if f["rank"]]
    return fmean(ranks) if ranks else None
