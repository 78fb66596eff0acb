"""`python -m export.fidelity`: the FP16 graph against the FP32 network on whole frames.

Pairs of real frames, and made-up ones that bring number formats to their ends.

`export.verify` runs the exported model in ONNX Runtime, which drops FP16 roundings on the CPU. Here
none is dropped, see `export.arithmetic`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.markdown import Markdown
from torch import Tensor, nn

from export.arithmetic import HalfArithmetic
from export.fold import fold
from export.precision import Narrowed
from ship_deploy import console
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.frames import Frames
from ship_deploy.images import find_pairs, read_infrared, read_visible
from training.checkpoints import digest, load_network
from training.colour import fuse_frames
from training.scenes import render

HARD_SIZE = (96, 128)
FULL_HD = (1080, 1920)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, epilog=console.EPILOG)


@dataclass(frozen=True)
class Comparison:
    """Deviation of one pair's FP16 result from its FP32 result.

    Attributes:
        source: folder of the pair, or "made" for a frame that was made up.
        name: of the pair.
        size: height x width.
        psnr: of the clamped luminance, peak 1, in dB; 150 for equality, NaN if any value is.
        far_off: share of the samples of the fused 8-bit BGR frame off by more than one level.
        non_finite: count of NaN and Inf in the luminance.
    """

    source: str
    name: str
    size: str
    psnr: float
    far_off: float
    non_finite: int


Result = tuple[Tensor, Tensor]  # fused uint8 BGR (1, H, W, 3), unclamped luminance (1, 1, H, W)


@torch.inference_mode()
def run(network: nn.Module, visible: Frames, infrared: Frames) -> Result:
    """Fuse a pair, (H, W, 3) and (H, W), in FP16 arithmetic where the network is FP16."""
    with HalfArithmetic():
        return fuse_frames(
            network, torch.from_numpy(visible)[None], torch.from_numpy(infrared)[None]
        )


def compare(source: str, name: str, result: Result, expected: Result) -> Comparison:
    """The deviation of a result from that of the FP32 network."""
    noise = (result[1].clamp(0, 1) - expected[1].clamp(0, 1)).double().square().mean().item()
    return Comparison(
        source=source,
        name=name,
        size="{}x{}".format(*result[1].shape[2:]),
        psnr=float(-10 * np.log10(np.maximum(noise, 1e-15))),
        far_off=((result[0].int() - expected[0]).abs() > 1).double().mean().item(),
        non_finite=int((~result[1].isfinite()).sum()),
    )


def read_pairs(folder: Path, limit: int | None = None) -> Iterator[tuple[str, Frames, Frames]]:
    """Name, visible (H, W, 3) and infrared (H, W) of pairs, `limit` of them evenly spread."""
    pairs = find_pairs(folder / "visible", folder / "infrared")
    count = min(limit or len(pairs), len(pairs))
    for i in range(count):
        pair = pairs[i * len(pairs) // count]
        visible = read_visible(pair.visible)
        if visible.ndim == 2:
            visible = np.repeat(visible[..., None], 3, axis=2)
        yield pair.name, visible, read_infrared(pair.infrared)


def made_frames() -> Iterator[tuple[str, Frames, Frames]]:
    """Frames that bring number formats to their ends, and two large ones."""
    for name, level in (("black", 0), ("constant", 128), ("saturated", 255)):
        grey = np.full((*HARD_SIZE, 3), level, np.uint8)
        yield name, grey, grey[..., 0].copy()
    random = np.random.default_rng(0)
    for size in (HARD_SIZE, FULL_HD):
        noise = random.integers(256, size=(*size, 4), dtype=np.uint8)
        yield "noise", noise[..., :3].copy(), noise[..., 3].copy()
    yield "rendered", *render(0, *FULL_HD)


@app.command()
def fidelity(
    checkpoint: Annotated[Path, typer.Argument(help=".safetensors, or the authors' .pth")],
    data: Annotated[list[Path], typer.Argument(help="folders with visible/ and infrared/")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for JSON and Markdown")],
    limit: Annotated[int | None, typer.Option(min=1, help="pairs of each folder")] = None,
    name: Annotated[str, typer.Option(help="of the two files")] = "fp16",
    made: Annotated[bool, typer.Option(help="made-up frames too")] = True,
) -> None:
    """Measure what FP16 costs on whole frames, in FP16 arithmetic on the CPU.

    Made-up frames are black, constant, saturated, noise, and two of 1080x1920. Writes NAME.json and
    NAME.md after each frame, so that an interrupt loses nothing.
    """
    make_folder(output)
    network = load_network(checkpoint)
    narrowed = Narrowed(fold(network))
    sources = [("/".join(folder.parts[-2:]), read_pairs(folder, limit)) for folder in data]
    if made:
        sources.append(("made", made_frames()))
    frames: list[Comparison] = []
    steps = Console(stderr=True, highlight=False, soft_wrap=True)
    for source, pairs in sources:
        for pair, visible, infrared in pairs:
            expected = run(network, visible, infrared)
            frames.append(compare(source, pair, run(narrowed, visible, infrared), expected))
            steps.print(frames[-1])
            record = {
                "checkpoint": checkpoint.name,
                "checkpoint_digest": digest(checkpoint),
                "torch": torch.__version__,
                "pairs_of_each_folder": limit or "all",
                "frames": [asdict(frame) for frame in frames],
            }
            table = tabulate(record)
            content = (json.dumps(record, indent=1) + "\n").encode()
            write_atomically(output / f"{name}.json", content)
            write_atomically(output / f"{name}.md", table.encode())
    Console().print(Markdown(table))


def tabulate(record: dict) -> str:
    """The Markdown table of a record: a row for each folder, and one for each made-up frame."""
    groups: dict[str, list[dict]] = {}
    for frame in record["frames"]:
        real = frame["source"] != "made"
        key = frame["source"] if real else f"{frame['name']}, {frame['size']}"
        groups.setdefault(key, []).append(frame)
    everything = [frame for frame in record["frames"] if frame["source"] != "made"]
    lines = [
        f"{record['checkpoint']}, pairs of each folder: {record['pairs_of_each_folder']}. FP16 "
        "graph in FP16 arithmetic on the CPU (`export.arithmetic`) against the network in FP32; "
        f"torch {record['torch']}. PSNR of the clamped luminance, peak 1, frame by frame.",
        "",
        "| frames | count | mean PSNR | worst | within one level, mean | worst | NaN or Inf |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, frames in [*groups.items(), ("all pairs", everything)]:
        psnrs, offs = [f["psnr"] for f in frames], [f["far_off"] for f in frames]
        lines.append(
            f"| {key} | {len(frames)} | {fmean(psnrs):.1f} dB | {np.min(psnrs):.1f} dB "
            f"| {1 - fmean(offs):.3%} | {1 - max(offs):.3%} "
            f"| {sum(f['non_finite'] for f in frames)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    console.run(app)
