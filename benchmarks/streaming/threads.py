"""One `Fuser` in many threads: whether each frame has the same bits as in one thread."""

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from ship_deploy import Fuser
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder

PAIRS = 8  # that threads take in turns, each from another one on

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        model: a bundled one.
        size: height x width.
        threads: at the same time.
        frames: fused by each.
        different: of all, that differ from the frame that one thread made.
        seconds: the run.
    """

    model: str
    size: str
    threads: int
    frames: int
    different: int
    seconds: float


def compare(fuser: Fuser, pairs: list[Pair], threads: int, frames: int) -> int:
    """How many frames differ from what one thread makes of them.

    Args:
        fuser: shared by all threads.
        pairs: visible and infrared frames.
        threads: that fuse at the same time.
        frames: that each fuses.
    """
    expected = [_digest(fuser(*pair)) for pair in pairs]
    together = threading.Barrier(threads)

    def fuse(first: int) -> int:
        together.wait()
        numbers = (n % len(pairs) for n in range(first, first + frames))
        return sum(_digest(fuser(*pairs[n])) != expected[n] for n in numbers)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(fuse, range(threads)))


def run(output: Path, model: str, threads: int, frames: int, height: int, width: int) -> str:
    """Compare; write `threads.json` and `threads.md`.

    Returns:
        The Markdown table.

    Raises:
        UserError: a frame differs; the files are written first.
    """
    make_folder(output)
    noise = np.random.default_rng(0)
    pairs: list[Pair] = [
        (
            noise.integers(0, 256, (height, width, 3), np.uint8),
            noise.integers(0, 256, (height, width), np.uint8),
        )
        for _ in range(PAIRS)
    ]
    fuser = Fuser(model, backend="onnxruntime", device="cpu", threads=1)
    begun = time.perf_counter()
    different = compare(fuser, pairs, threads, frames)
    seconds = time.perf_counter() - begun
    size = f"{height}x{width}"
    result = Comparison(model, size, threads, frames, different, seconds)
    content = {"machine": machine.describe(), "threads": asdict(result)}
    table = tabulate(content)
    record.write(output, "threads", content, table)
    if different:
        raise UserError(f"{different} of {threads * frames} frames differ")
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `threads.json`."""
    host, r = content["machine"], content["threads"]
    return (
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}. One `Fuser` of "
        f"{r['model']}, ONNX Runtime {host['onnxruntime']}, for {r['seconds'] / 60:.1f} minutes.\n"
        "\n"
        "| size | threads | frames in each | frames that differ from those of one thread |\n"
        "|---|---|---|---|\n"
        f"| {r['size']} | {r['threads']} | {r['frames']} | {r['different']} |\n"
    )


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(image.tobytes()).digest()
