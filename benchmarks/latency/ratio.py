"""Two models, or ONNX Runtime and OpenVINO, in turns: how many times as fast is the second?"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, record
from benchmarks.environments import environment
from benchmarks.latency.measure import measure
from benchmarks.loading import Fuse
from benchmarks.models import Size
from ship_deploy import Fuser
from ship_deploy.artifact import read_artifact
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import Frames
from ship_deploy.models import find_model
from training.scenes import render

OPENVINO = "openvino:"
PACKAGES = ("openvino==2026.4.1",)
WORKER = Path(__file__).with_name("openvino.py")


def run(
    first: str, second: str, output: Path, sizes: Sequence[Size], rounds: int, threads: int
) -> str:
    """Time both in turns, and write `ratio.json` and `ratio.md`.

    Args:
        first: bundled model or path of one, with "openvino:" ahead for OpenVINO in FP32.
        second: likewise.
        output: folder.
        sizes: of the frames.
        rounds: timed calls of each.
        threads: of the CPU.

    Returns:
        The Markdown table.

    Raises:
        UserError: a model is not there or cannot run, or OpenVINO cannot be installed.
    """
    names = {"A": first, "B": second}
    digests = {
        n: read_artifact(find_model(n.removeprefix(OPENVINO))).digest for n in names.values()
    }
    make_folder(output)
    results = []
    for size in sizes:
        ERR.print(f"{size[0]}x{size[1]}")
        frames = render(0, *size)
        with ExitStack() as stack:
            ready = {k: stack.enter_context(_load(n, frames, threads)) for k, n in names.items()}
            pictures = [fuse(*frames).astype(int) for fuse in ready.values()]
            found = measure(ready, frames, rounds, "A")
        results.append(
            {
                "size": f"{size[0]}x{size[1]}",
                "levels": int(np.abs(pictures[0] - pictures[1]).max()),
                **{name: asdict(found[name]) for name in names},
            }
        )
    content = {
        "machine": machine.describe(),
        "threads": threads,
        "names": names,
        "models": digests,
        "openvino": PACKAGES[0] if any(OPENVINO in n for n in names.values()) else None,
        "results": results,
    }
    table = tabulate(content)
    record.write(output, "ratio", content, table)
    return table


@contextmanager
def _load(name: str, frames: tuple[Frames, Frames], threads: int) -> Iterator[Fuse]:
    path = find_model(name.removeprefix(OPENVINO))
    if not name.startswith(OPENVINO):
        yield Fuser(path, backend="onnxruntime", device="cpu", threads=threads)
        return
    python = environment(PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "frames.npz"), Path(folder, "result.npy")
        np.savez(given, *(frame[None] for frame in frames))
        command = [str(part) for part in (python, WORKER, path, given, result, threads)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            asked, answers = process.stdin, process.stdout
            if answers.readline() != "ready\n":
                raise UserError(f"{path}: OpenVINO does not run it")
            picture: Frames = np.load(result)[0]

            def fuse(visible: Frames, infrared: Frames) -> Frames:
                """Of the frames that the other process has; it takes as long as they do."""
                asked.write("\n")
                asked.flush()
                if not answers.readline():
                    raise UserError(f"{path}: OpenVINO ended")
                return picture

            yield fuse
            asked.close()


def tabulate(content: dict[str, Any]) -> str:
    """Sizes down, both across."""
    host, names = content["machine"], content["names"]
    openvino = f", {content['openvino']}" if content["openvino"] else ""
    lines = [
        f"{host['processor']}, {content['threads']} threads, {host['measured'][:10]}; ONNX Runtime "
        f"{host['onnxruntime']}{openvino}. Medians of {content['results'][0]['A']['rounds']} "
        "calls, in turns; the ratio is that of calls beside each other.",
        "",
        f"| size | A: {names['A']} | B: {names['B']} | A over B | levels apart |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in content["results"]:
        first, second = (1000 * row[name]["percentiles"][0] for name in names)
        low, high = row["B"]["speedup_range"]
        ratio = f"{row['B']['speedup']:.2f}x ({low:.2f} to {high:.2f})"
        cells = f"{first:.3g} ms | {second:.3g} ms | {ratio} | {row['levels']}"
        lines.append(f"| {row['size']} | {cells} |")
    return "\n".join(lines) + "\n"
