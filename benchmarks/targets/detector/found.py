"""Which targets the detector finds in a picture, and how well its scores tell them from others."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import SOURCES
from benchmarks.targets.boxes import Region
from benchmarks.targets.detector import CLASSES, KINDS, Detection, detect, overlap
from benchmarks.targets.subjects import Subject
from benchmarks.targets.summary import RESAMPLES

OVERLAP = 0.4  # intersection over union, from which a target counts as found
SAME = 0.5  # from which two detections of one class in two sources are one
SCORES = (0.2, 0.3)  # from which a detection counts
BOTH = "both sources"

Match = tuple[list[float], list[tuple[float, bool]]]
"""Of one picture: by which score each target is found, 0 if not; each detection, right or not."""


def judge(subjects: Sequence[Subject], methods: Sequence[str], output: Path) -> dict[str, Any]:
    """Targets found in the pictures of each method, of one data set, for `targets.json`.

    Args:
        subjects: real pairs of the data set; of their targets, people and vehicles are looked for.
        methods: names; among them both sources.
        output: holds pictures/DATA/METHOD/NAME.png, all of them, and gets detections.jsonl.
    """
    places = {
        (m, s.name): output / "pictures" / s.data / m / f"{s.name}.png"
        for m in methods
        for s in subjects
    }
    seen = detect(places.values(), output / "detections.jsonl")
    matches: dict[str, list[Match]] = {name: [] for name in (BOTH, *methods)}
    for subject in subjects:
        targets = [t for t in subject.regions.targets if t.kind in CLASSES]
        at = {m: seen[places[m, subject.name]] for m in methods}
        at[BOTH] = join(*(at[source] for source in SOURCES))
        for method, detections in at.items():
            matches[method].append(match(targets, detections))
    return summarise(matches)


def join(*lists: list[Detection]) -> list[Detection]:
    """The detections of several pictures of one scene, without the weaker of two that are one."""
    kept: list[Detection] = []
    for one in sorted((d for found in lists for d in found), key=lambda d: -d.score):
        if not any(k.kind == one.kind and overlap(k.box, one.box) >= SAME for k in kept):
            kept.append(one)
    return kept


def match(targets: Sequence[Region], detections: Iterable[Detection]) -> Match:
    """Give each detection, from the surest on, the target of its class that it overlaps most.

    A target takes the first that overlaps it by 0.4 or more; all further ones are wrong.
    """
    scores = [0.0] * len(targets)
    right = []
    for one in sorted((d for d in detections if d.kind in KINDS), key=lambda d: -d.score):
        open_ones = [
            (overlap(target.box, one.box), n)
            for n, target in enumerate(targets)
            if not scores[n] and one.kind in CLASSES[target.kind]
        ]
        share, n = max(open_ones, default=(0.0, -1))
        if share >= OVERLAP:
            scores[n] = one.score
        right.append((one.score, share >= OVERLAP))
    return scores, right


def average_precision(right: Iterable[tuple[float, bool]], targets: int) -> float:
    """Area under precision over recall, precision made monotonous, 0 to 1; NaN without targets."""
    if not targets:
        return float("nan")
    ranked = [good for _, good in sorted(right, key=lambda pair: -pair[0])]
    hits = np.cumsum(ranked) if ranked else np.zeros(0)
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[np.array(ranked, bool)].sum() / targets)


def summarise(matches: Mapping[str, Sequence[Match]]) -> dict[str, Any]:
    """Method -> targets, found at each score, share of what is found in both sources, precision.

    The interval of the share is from the same bootstrap over images as the measures'.
    """
    images = len(matches[BOTH])
    picks = np.random.default_rng(0).integers(0, images, (RESAMPLES, images))
    both = {score: _counts(matches[BOTH], score) for score in SCORES}
    summary: dict[str, dict[str, Any]] = {}
    for method, of_method in matches.items():
        targets = sum(len(scores) for scores, _ in of_method)
        precision = average_precision((d for _, right in of_method for d in right), targets)
        summary[method] = {"targets": targets, "average_precision": round(precision, 4)}
        for score in SCORES:
            counts = _counts(of_method, score)
            low, high = np.nanpercentile(
                counts[picks].sum(1) / np.maximum(both[score][picks].sum(1), 1), (2.5, 97.5)
            )
            summary[method][f"score {score}"] = {
                "found": int(counts.sum()),
                "of_both": round(float(counts.sum() / max(both[score].sum(), 1)), 4),
                "interval": [round(float(low), 4), round(float(high), 4)],
            }
    return summary


def tabulate(found: Mapping[str, Any]) -> str:
    """A table for each data set: methods down."""
    lines: list[str] = []
    for data, methods in found.items():
        lines += ["", f"### {data}: what a detector finds", ""]
        titles = [f"found, score > {score} | of {BOTH}" for score in SCORES]
        lines.append(f"| | {' | '.join(titles)} | average precision ↑ |")
        lines.append("|---|" + "---:|" * (2 * len(SCORES) + 1))
        for method, figures in methods.items():
            cells = []
            for score in SCORES:
                f = figures[f"score {score}"]
                low, high = (f"{100 * v:.0f}%" for v in f["interval"])
                cells += [f"{f['found']} of {figures['targets']}"]
                cells += [f"{100 * f['of_both']:.0f}% ({low} to {high})"]
            cells.append(f"{figures['average_precision']:.3f}")
            lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" if lines else ""


def _counts(matches: Sequence[Match], score: float) -> NDArray[np.int64]:
    """Targets found by more than a score, of each image."""
    return np.array([sum(s > score for s in scores) for scores, _ in matches])
