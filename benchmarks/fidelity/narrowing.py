"""What each part of the network costs in FP16, and what it would in FP32.

From the choice that the network comes with, one kind of island at a time goes to FP16, then one
group of FP16 parts at a time to FP32; each time a few real frames are fused in FP16 arithmetic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import record
from benchmarks.arithmetic import HalfArithmetic
from benchmarks.pairs import real_pairs
from export.fold import fold
from export.precision import Narrowed, Typed, half_precision
from export.verify import Deviation, Expected, Reference, compare
from ship_deploy.console import ERR
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames
from training.architecture import FusionNetwork, HalfPrecision, Reason
from training.checkpoints import digest, load_network
from training.colour import fuse_frames
from training.layers.phase import MatrixPhaseMix
from training.layers.spectrum import MatrixConvolution

CROP = (240, 320)  # height, width, from the middle of a frame
SIZE = (480, 640)  # that bytes are counted for
WIDE = Reason("tried", torch.float)

Batch = tuple[Frames, Frames]  # visible (1, H, W, 3), infrared (1, H, W)


@dataclass(frozen=True)
class Cost:
    """A choice of types and what came of it, over all crops.

    Attributes:
        choice: what differs from the shipped one.
        psnr: mean over the crops, dB; None if any value is NaN or Inf.
        worst: the worst crop's.
        far_off: share of the samples of fused 8-bit frames off by more than one level.
        non_finite: count of NaN and Inf in the luminance.
        traffic: bytes that parts read and write for one frame of `SIZE`: convolutions, norms,
            means and spectral products, each feature in the narrower type at a cast; weights and
            what stands between parts, which engines fuse into them, do not count.
        weights: bytes of the parts' weights.
    """

    choice: str
    psnr: float | None
    worst: float | None
    far_off: float
    non_finite: int
    traffic: int
    weights: int


@torch.inference_mode()
def deviation(narrowed: nn.Module, batch: Batch, expected: Expected) -> Deviation:
    """How far a network with FP16 parts, in FP16 arithmetic, is from what was expected."""
    with HalfArithmetic():
        frames, raw = fuse_frames(narrowed, *map(torch.from_numpy, batch))
    return compare(frames.numpy(), raw.numpy(), expected)


def measure(
    network: FusionNetwork,
    choice: str,
    half: HalfPrecision,
    crops: Sequence[tuple[Batch, Expected]],
) -> Cost:
    """Fuse crops with a choice of types, and compare with what the FP32 network makes of them."""
    narrowed = Narrowed(fold(network), half)
    results = [deviation(narrowed, *crop) for crop in crops]
    psnrs = [result.psnr for result in results]
    finite = bool(np.isfinite(psnrs).all())
    return Cost(
        choice=choice,
        psnr=fmean(psnrs) if finite else None,
        worst=min(psnrs) if finite else None,
        far_off=fmean(result.far_off for result in results),
        non_finite=sum(result.non_finite for result in results),
        traffic=traffic(narrowed, *SIZE),
        weights=sum(p.numel() * p.itemsize for p in narrowed.parameters()),
    )


def traffic(narrowed: Narrowed, height: int, width: int) -> int:
    """Bytes of features that the parts of a network read and write for one frame, see `Cost`."""
    total = 0

    def count(part: Typed, features: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal total
        inside = part.dtype.itemsize
        total += sum(x.numel() * min(x.itemsize, inside) for x in features)
        total += result.numel() * min(result.itemsize, inside)
        if isinstance(part.part, MatrixConvolution | MatrixPhaseMix):
            total += part.part.passes * result.numel() * inside

    parts = [part for part in narrowed.modules() if isinstance(part, Typed)]
    hooks = [part.register_forward_hook(count) for part in parts]
    with torch.device("meta"), torch.inference_mode():
        frame = torch.empty(1, 1, height, width)
        narrowed.to("meta")(frame, frame)
    for hook in hooks:
        hook.remove()
    return total


def run(checkpoint: Path, data: Sequence[Path], output: Path, limit: int) -> str:
    """Measure, and write `narrowing.json` and `narrowing.md`.

    Args:
        checkpoint: `.safetensors` or `.pth`.
        data: folders with visible/ and infrared/.
        output: folder.
        limit: pairs of each folder.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    network = load_network(checkpoint)
    reference = Reference(network, dtype=torch.float32)
    crops = []
    for folder in data:
        for pair in real_pairs(folder, limit):
            batch = _crop(pair.visible)[None], _crop(pair.infrared)[None]
            crops.append((batch, reference(*batch)))
    half = half_precision(network)
    islands = half.islands
    tried: dict[str, Mapping[str, Reason]] = {"as shipped": islands}
    for pattern in islands:
        tried[f"FP16: {pattern}"] = {p: r for p, r in islands.items() if p != pattern}
    tried["FP16: all"] = {}
    for pattern in half.groups:
        tried[f"FP32: {pattern}"] = {**islands, pattern: WIDE}
    tried["FP32: all"] = {"*": WIDE}
    choices = {name: replace(half, islands=some) for name, some in tried.items()}
    choices["not centred"] = replace(half, centred=())
    costs = []
    for choice, types in choices.items():
        costs.append(measure(network, choice, types, crops))
        ERR.print(costs[-1])
    content = {
        "checkpoint": checkpoint.name,
        "checkpoint_digest": digest(checkpoint),
        "torch": torch.__version__,
        "crops": f"{len(crops)} of at most {CROP[0]}x{CROP[1]}",
        "costs": [asdict(cost) for cost in costs],
    }
    table = tabulate(content)
    record.write(output, "narrowing", content, table)
    return table


def _crop(frame: Frames) -> Frames:
    top, left = ((have - want) // 2 for have, want in zip(frame.shape, CROP, strict=False))
    rows, columns = (
        slice(max(0, s), max(0, s) + n) for s, n in zip((top, left), CROP, strict=True)
    )
    return np.ascontiguousarray(frame[rows, columns])


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `narrowing.json`; changes are against its first row."""
    shipped = content["costs"][0]
    lines = [
        f"{content['checkpoint']}, {content['crops']}, FP16 arithmetic on the CPU, against the "
        f"network in FP32; torch {content['torch']}. Bytes: features that convolutions, norms, "
        f"means and spectral products read and write for a frame of {SIZE[0]}x{SIZE[1]}.",
        "",
        "| choice | mean PSNR | change | worst | off > 1 | NaN, Inf | MB | change | weights MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for c in content["costs"]:
        psnr = ["not finite", "", ""]
        if c["psnr"] is not None:
            change = c["psnr"] - shipped["psnr"]
            psnr = [f"{c['psnr']:.1f} dB", f"{change:+.1f} dB", f"{c['worst']:.1f} dB"]
        more = (c["traffic"] - shipped["traffic"]) / 1e6
        lines.append(
            f"| {c['choice'].replace('*', chr(92) + '*')} | {' | '.join(psnr)} "
            f"| {c['far_off']:.3%} | {c['non_finite']} | {c['traffic'] / 1e6:.0f} | {more:+.0f} "
            f"| {c['weights'] / 1e6:.2f} |"
        )
    return "\n".join(lines) + "\n"
