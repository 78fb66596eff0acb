"""Percentiles of times, what they need, and how sure they are."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError

BEYOND = 5  # rounds that have to be slower than a percentile
BLOCK = 10  # rounds that are drawn together: neighbours resemble each other
DRAWS = 2000
SURE = 95  # percent, of all intervals


def rounds_for(percentile: float) -> int:
    """Rounds that a percentile above 0 and below 100 needs: 10 for p50, 500 for p99."""
    return ceil(round(BEYOND / min(percentile, 100 - percentile) * 100, 6))


def check_rounds(percentiles: Sequence[float], rounds: int) -> None:
    """Check that every percentile can be told.

    Raises:
        UserError: one cannot, and how many rounds it needs.
    """
    for percentile in percentiles:
        if not 0 < percentile < 100:
            raise UserError(f"a percentile of {percentile:g}, expected one between 0 and 100")
        if rounds < rounds_for(percentile):
            raise UserError(
                f"p{percentile:g} of {rounds} rounds is chance; it needs --rounds "
                f"{rounds_for(percentile)} or more"
            )


def interval(samples: Sequence[float], percentile: float) -> tuple[float, float]:
    """The 95% interval of a percentile, in the samples' unit; by bootstrap."""
    drawn = np.percentile(_draw(samples), percentile, axis=1)
    return _middle(drawn)


def ratio(
    before: Sequence[float], after: Sequence[float], percentile: float
) -> tuple[float, float, float]:
    """By what the times of `before` are multiplied in `after`, with its 95% interval.

    Two runs at different times differ by more than that, as machines do: by heat, by their clock,
    by what else runs.
    """
    sides = [np.asarray(samples) for samples in (before, after)]
    value = np.percentile(sides[1], percentile) / np.percentile(sides[0], percentile)
    first, second = (
        np.percentile(_draw(side, seed), percentile, axis=1) for seed, side in enumerate(sides)
    )
    return float(value), *_middle(second / first)


def _draw(samples: Sequence[float] | NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """(`DRAWS`, n) samples, drawn in blocks with replacement."""
    values = np.asarray(samples, np.float64)
    length = min(BLOCK, len(values))
    count = ceil(len(values) / length)
    starts = np.random.default_rng(seed).integers(0, len(values) - length + 1, (DRAWS, count))
    places = (starts[..., None] + np.arange(length)).reshape(DRAWS, -1)[:, : len(values)]
    return np.asarray(values[places])


def _middle(drawn: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(drawn, [(100 - SURE) / 2, (100 + SURE) / 2])
    return float(low), float(high)
