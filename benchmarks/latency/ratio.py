"""Two models or backends in turns: how many times as fast is the second?"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, record
from benchmarks.latency.measure import measure
from benchmarks.models import Size
from ship_deploy import Fuser
from ship_deploy.backends import NAMES
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from training.scenes import render


def run(
    names: Sequence[str], output: Path, sizes: Sequence[Size], rounds: int, threads: int
) -> str:
    """Time pairs of models in turns, and write `ratio.json` and `ratio.md`.

    Args:
        names: A, B, and as many more pairs: bundled models or paths, with "BACKEND:" ahead for
            another one than ONNX Runtime.
        output: folder.
        sizes: of the frames.
        rounds: timed calls of each.
        threads: of the CPU.

    Returns:
        The Markdown table.

    Raises:
        UserError: the number of names is odd, a model is not there, or cannot run.
    """
    if not names or len(names) % 2:
        raise UserError(f"{len(names)} models, expected pairs of them")
    make_folder(output)
    results = []
    for first, second in zip(names[::2], names[1::2], strict=True):
        fusers = {"A": _load(first, threads), "B": _load(second, threads)}
        for size in sizes:
            ERR.print(f"{first} and {second}, {size[0]}x{size[1]}")
            frames = render(0, *size)
            pictures = [fuse(*frames).astype(int) for fuse in fusers.values()]
            found = measure(fusers, frames, rounds, "A")
            row: dict[str, Any] = {
                "size": f"{size[0]}x{size[1]}",
                "levels": int(np.abs(pictures[0] - pictures[1]).max()),
            }
            for key, name in (("A", first), ("B", second)):
                info = fusers[key].info
                ran = {"name": name, "digest": info.digest, "versions": dict(info.versions)}
                row[key] = {**ran, **asdict(found[key])}
            results.append(row)
    content = {"machine": machine.describe(), "threads": threads, "results": results}
    table = tabulate(content)
    record.write(output, "ratio", content, table)
    return table


def _load(name: str, threads: int) -> Fuser:
    backend, _, model = name.partition(":")
    if backend not in NAMES or not model:
        backend, model = "onnxruntime", name
    return Fuser(model, backend=backend, device="cpu", threads=threads)


def tabulate(content: dict[str, Any]) -> str:
    """Pairs and sizes down."""
    host, rows = content["machine"], content["results"]
    ran = {k: v for row in rows for name in "AB" for k, v in row[name]["versions"].items()}
    packages = ", ".join(f"{k} {v}" for k, v in sorted(ran.items()) if k != "ship-deploy")
    lines = [
        f"{host['processor']}, {content['threads']} threads, {host['measured'][:10]}; {packages}. "
        f"Medians of {rows[0]['A']['rounds']} calls, in turns; the ratio is that of calls beside "
        "each other.",
        "",
        "| size | A | B | A takes | B takes | A over B | levels apart |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        low, high = row["B"]["speedup_range"]
        cells = [row["size"], row["A"]["name"], row["B"]["name"]]
        cells += [record.duration(row[name]["percentiles"][0]) for name in "AB"]
        cells += [f"{row['B']['speedup']:.2f}x ({low:.2f} to {high:.2f})", str(row["levels"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
