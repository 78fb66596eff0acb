"""Every artifact and backend that runs here against the reference network, pair by pair.

The reference is PyTorch in FP64 on a GPU. On a CPU, where that takes ten times as long as FP32, and
longer than all candidates, it is FP32, some 1e-5 off itself. Exports are verified in FP64 anywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from rich.progress import track

from benchmarks import machine, record
from benchmarks.candidates import Candidate
from benchmarks.fidelity import plot as fidelity_plot
from benchmarks.loading import load_graphs
from benchmarks.models import Models
from benchmarks.pairs import MADE, Pair, made_pairs, real_pairs
from export.precision import Precision
from export.verify import (
    TOLERANCES_ON_REAL_FRAMES,
    Deviation,
    Fidelity,
    Reference,
    compare,
)
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import Frames
from ship_deploy.images import write_png
from training.checkpoints import digest, load_network
from training.data import grey
from training.metrics import METRICS

GAIN = 64  # of a difference picture: two levels off is 128 grey levels


@dataclass(frozen=True)
class Comparison:
    """One candidate on one pair.

    Attributes:
        candidate: its key.
        source: folder of the pair, or "made".
        name: of the pair.
        size: height x width.
        ssim: of the fused luminance in 8 bits, 11x11 Gaussian window.
        deviation: see there.
    """

    candidate: str
    source: str
    name: str
    size: str
    ssim: float
    deviation: Deviation


def run(
    models: Models,
    candidates: Sequence[Candidate],
    data: Sequence[Path],
    output: Path,
    limit: int | None = None,
    made: bool = True,
) -> str:
    """Compare, and write `fidelity.json`, `.md`, `.svg` and the worst pairs' difference pictures.

    Args:
        models: what to compare.
        candidates: those that cannot run here are named with the reason.
        data: folders with visible/ and infrared/.
        output: folder.
        limit: pairs of each folder.
        made: made-up frames too.

    Returns:
        The Markdown table.

    Raises:
        UserError: a candidate is out of tolerance; everything is written by then.
    """
    make_folder(output)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float64 if device == "cuda" else torch.float32
    reference = Reference(load_network(models.checkpoint), device, dtype)
    running, missing = {}, {}
    for candidate in candidates:
        try:
            running[candidate] = load_graphs(candidate, models)
        except UserError as error:
            missing[candidate.title] = str(error)
    if not running:
        raise UserError(f"no candidate runs here: {next(iter(missing.values()))}")
    pairs: Iterable[Pair] = chain.from_iterable(real_pairs(folder, limit) for folder in data)
    if made:
        pairs = chain(pairs, made_pairs())
    facts = {
        "checkpoint": models.checkpoint.name,
        "checkpoint_digest": digest(models.checkpoint),
        "reference": f"PyTorch {'FP64' if device == 'cuda' else 'FP32'}, {device}",
        "machine": machine.describe(),
        "pairs_of_each_folder": limit or "all",
    }
    comparisons: list[Comparison] = []
    worst = WorstPictures(output)
    for pair in track(list(pairs), "Comparing", console=ERR):
        batch = pair.visible[None], pair.infrared[None]
        expected = reference(*batch)
        for candidate, fuse in running.items():
            frames, luminance = fuse(*batch)
            comparisons.append(
                Comparison(
                    candidate.key,
                    pair.source,
                    pair.name,
                    "{}x{}".format(*pair.infrared.shape),
                    _ssim(frames[0], expected.frames[0]),
                    compare(frames, luminance, expected),
                )
            )
            worst.see(comparisons[-1], frames[0], expected.frames[0])
        content = facts | summarise(comparisons, running, missing)
        table = tabulate(content)
        record.write(output, "fidelity", content, table)  # an interrupt loses one pair
    write_atomically(output / "fidelity.svg", fidelity_plot.draw(content))
    worst.write()
    if problems := [p for c in content["candidates"].values() for p in c["problems"]]:
        raise UserError(f"{output / 'fidelity.md'}: {'; '.join(problems)}")
    return table


def summarise(
    comparisons: Sequence[Comparison],
    candidates: Iterable[Candidate],
    missing: dict[str, str],
) -> dict[str, Any]:
    """Per candidate: fidelity on the real pairs, what is out of tolerance, and every comparison.

    Where there are no real pairs, the made-up ones are what the tolerance is held to. NaN and Inf
    count on all.
    """
    content: dict[str, Any] = {}
    for candidate in candidates:
        own = [c for c in comparisons if c.candidate == candidate.key]
        real = [c for c in own if c.source != MADE] or own
        fidelity = Fidelity.of([c.deviation for c in real], (c.size for c in real))
        limit = TOLERANCES_ON_REAL_FRAMES[Precision(candidate.precision)]
        problems = fidelity.problems(limit)
        if lost := sum(c.deviation.non_finite for c in own if c not in real):
            problems.append(f"{lost} NaN and Inf on made-up frames")
        low = min(real, key=lambda c: np.nan_to_num(c.deviation.psnr, nan=-1))
        content[candidate.key] = {
            "title": candidate.title,
            "fidelity": asdict(fidelity),
            "ssim": min(c.ssim for c in real),
            "worst": f"{low.source}/{low.name}",
            "tolerance": {name: bound for name, bound in vars(limit).items() if isfinite(bound)},
            "problems": [f"{candidate.title}: {problem}" for problem in problems],
            "pairs": [asdict(c) for c in own],
        }
    return {"candidates": content, "not_run": missing}


class WorstPictures:
    """Keeps the pair of lowest PSNR of every candidate, to be looked at."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._worst: dict[str, tuple[float, Frames]] = {}

    def see(self, found: Comparison, fused: Frames, expected: Frames) -> None:
        """Remember this pair if it is a real one, and the worst so far."""
        psnr = float(np.nan_to_num(found.deviation.psnr, nan=-1))
        if found.source != MADE and psnr < self._worst.get(found.candidate, (np.inf,))[0]:
            difference = GAIN * np.abs(fused.astype(int) - expected)
            panels = expected, fused, np.minimum(difference, 255).astype(np.uint8)
            self._worst[found.candidate] = psnr, np.concatenate(panels, axis=1)

    def write(self) -> None:
        """Write CANDIDATE.png: the reference, the candidate, their difference times `GAIN`."""
        for key, (_, picture) in self._worst.items():
            make_folder(self._output / "worst")
            write_png(self._output / "worst" / f"{key}.png", picture)


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown tables of a `fidelity.json`."""
    return f"{verdicts(content)}\n{sources(content)}"


def verdicts(content: dict[str, Any]) -> str:
    """A row for each candidate, over all real pairs."""
    lines = [
        f"{content['checkpoint']} against the network in {content['reference']}, pairs of each "
        f"folder: {content['pairs_of_each_folder']}; {content['machine']['processor']}, torch "
        f"{content['machine']['torch']}, onnxruntime {content['machine']['onnxruntime']}. Raw "
        "error and PSNR (peak 1) of the luminance, the rest of the fused 8-bit frames.",
        "",
        "| candidate | pairs | largest raw error | mean PSNR | worst | worst pair | lowest SSIM "
        "| largest, levels | within one level | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for candidate in content["candidates"].values():
        f = candidate["fidelity"]
        real = [p for p in candidate["pairs"] if p["source"] != MADE] or candidate["pairs"]
        lines.append(
            f"| {candidate['title']} | {len(real)} | {f['raw_error']:.1e} "
            f"| {f['mean_psnr']:.1f} dB | {f['psnr']:.1f} dB | {candidate['worst']} "
            f"| {candidate['ssim']:.5f} | {f['levels']} | {1 - f['far_off']:.3%} "
            f"| {'**out of tolerance**' if candidate['problems'] else 'passes'} |"
        )
    for title, why in content["not_run"].items():
        lines.append(f"| {title} | | | | | | | | | not run: {why} |")
    return "\n".join(lines) + "\n"


def sources(content: dict[str, Any]) -> str:
    """A row for each candidate and folder, or made-up frame."""
    lines = ["| candidate | frames | count | mean PSNR | worst | within one level, worst |"]
    lines.append("|---|---|---|---|---|---|")
    for candidate in content["candidates"].values():
        groups: dict[str, list[dict[str, Any]]] = {}
        for pair in candidate["pairs"]:
            made = pair["source"] == MADE
            key = f"{pair['name']}, {pair['size']}" if made else pair["source"]
            groups.setdefault(key, []).append(pair["deviation"])
        for key, found in groups.items():
            psnrs = [d["psnr"] for d in found]
            lines.append(
                f"| {candidate['title']} | {key} | {len(found)} | {fmean(psnrs):.1f} dB "
                f"| {np.min(psnrs):.1f} dB | {1 - max(d['far_off'] for d in found):.3%} |"
            )
    return "\n".join(lines) + "\n"


def _ssim(fused: Frames, expected: Frames) -> float:
    known = torch.from_numpy(grey(expected))
    return METRICS["SSIM"](torch.from_numpy(grey(fused)), known, known, convention="paper").item()
