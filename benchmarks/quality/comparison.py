"""A against B: in how many metrics it is better or worse by more than chance explains."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.baselines import SOURCES
from training.metrics import METRICS

RESAMPLES = 10_000
FEWEST = 6  # pairs; a bootstrap of fewer calls differences real that are none
Scores = Mapping[str, Sequence[float | None]]  # metric -> of each image


def compare(scores: Mapping[str, Scores], against: str) -> dict[str, list[int]]:
    """Each fusion method against one: metrics in which it is better, worse, not told apart.

    Told apart are those in which 0 is outside the 95% interval (bootstrap over pairs) of the mean
    difference on the same images.

    Args:
        scores: method -> metric -> score of each image, None where it is not defined.
        against: a method in it.
    """
    other = scores[against]
    counts = {}
    for method, own in scores.items():
        if method != against and method not in SOURCES:
            signs = [_sign(metric, own[metric], other[metric]) for metric in METRICS]
            counts[method] = [signs.count(1), signs.count(-1), signs.count(0)]
    return counts


def describe(counts: Mapping[str, Sequence[int]], against: str) -> list[str]:
    """A sentence for each method."""
    return [
        f"{method} against {against}: better in {better}, worse in {worse}, not told apart in "
        f"{even} of {better + worse + even} metrics."
        for method, (better, worse, even) in counts.items()
    ]


def _sign(metric: str, own: Sequence[float | None], other: Sequence[float | None]) -> int:
    known = [(a, b) for a, b in zip(own, other, strict=True) if a is not None and b is not None]
    if len(known) < FEWEST:
        return 0
    differences = np.array([a - b for a, b in known])
    picks = np.random.default_rng(0).integers(0, len(known), (RESAMPLES, len(known)))
    low, high = np.percentile(differences[picks].mean(1), (2.5, 97.5))
    sign = int(low > 0) - int(high < 0)
    return sign if METRICS[metric].higher_is_better else -sign
