"""How many frames a second a Triton server fuses for 1, 4 and 16 clients, and how long they wait.

Clients and server share one computer, and its cores. Each client sends its next frame once the one
before has come back.
"""

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from benchmarks.triton.server import TritonServer
from export.triton import write_repository
from ship_deploy import Fuser
from ship_deploy.bench.scene import draw
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder

WAYS = ("grpc", "grpc?memory=shared", "http", "http?memory=shared")
BATCHES = (1, 8)  # without and with batching
DEADLINE = 60.0  # seconds for a frame
FIRST = 5  # frames of each client that are not timed

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Load:
    """What came of one load.

    Attributes:
        way: "local", a `Fuser` in the clients' process; or scheme and setting of the address.
        batch: the most frames that the server may compute together.
        clients: at the same time.
        requests: of all clients, each of one frame.
        seconds: from the first request to the last answer.
        p50: milliseconds, of the waits for an answer; likewise p99.
        p99: the same.
        together: mean number of frames that the server computed together; None without a server.
    """

    way: str
    batch: int
    clients: int
    requests: int
    seconds: float
    p50: float
    p99: float
    together: float | None


def run(output: Path, model: str, clients: Sequence[int], requests: int, size: str) -> str:
    """Measure; write `triton.json` and `triton.md`.

    Args:
        output: folder.
        model: a bundled one.
        clients: numbers of them to try.
        requests: of all clients together, each time.
        size: "HxW" of the frames.

    Returns:
        The Markdown table.

    Raises:
        UserError: the server is not there, or a request failed.
    """
    make_folder(output)
    height, width = map(int, size.split("x"))
    pair = draw(height, width)
    local = Fuser(model, backend="onnxruntime", device="cpu")
    expected = local(*pair)
    loads = [_load("local", 1, count, requests, local, pair, lambda: (0, 0)) for count in clients]
    for batch in BATCHES:
        with tempfile.TemporaryDirectory() as folder:
            repository = Path(folder) / "models"
            write_repository(repository, [model], python=True, batch=batch)
            with TritonServer(repository, Path(folder)) as server:
                for way in WAYS:
                    fuser = Fuser(_address(server, way, model))
                    if (fuser(*pair) != expected).any():
                        raise UserError(f"{fuser.info.model}: other bits than of a local Fuser")
                    counts = _counter(server, f"{model}-python")
                    for count in clients:
                        loads.append(_load(way, batch, count, requests, fuser, pair, counts))
    content = {
        "machine": machine.describe(),
        "model": model,
        "size": size,
        "threads": local.info.threads,
        "triton": fuser.info.versions["triton"],
        "tritonclient": version("tritonclient"),
        "loads": [asdict(load) for load in loads],
    }
    table = tabulate(content)
    record.write(output, "triton", content, table)
    return table


def _address(server: TritonServer, way: str, model: str) -> str:
    scheme, _, query = way.partition("?")
    place = server.grpc if scheme == "grpc" else server.http
    return f"{scheme}://{place}/{model}-python?deadline={DEADLINE}&{query}".rstrip("&")


def _counter(server: TritonServer, name: str) -> Callable[[], tuple[int, int]]:
    """What tells how many frames the server has fused so far, and in how many executions."""
    from tritonclient import grpc

    client = grpc.InferenceServerClient(server.grpc)

    def counts() -> tuple[int, int]:
        (model,) = client.get_inference_statistics(name).model_stats
        return model.inference_count, model.execution_count

    return counts


def _load(
    way: str,
    batch: int,
    clients: int,
    requests: int,
    fuse: Callable[[Frames, Frames], Frames],
    pair: tuple[Frames, Frames],
    counts: Callable[[], tuple[int, int]],
) -> Load:
    together = threading.Barrier(clients + 1)
    share = -(-requests // clients)

    def client() -> list[float]:
        for _ in range(FIRST):
            fuse(*pair)
        waits = []
        together.wait()
        for _ in range(share):
            begun = time.perf_counter()
            fuse(*pair)
            waits.append(1000 * (time.perf_counter() - begun))
        return waits

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(_or_abort, client, together) for _ in range(clients)]
        with contextlib.suppress(threading.BrokenBarrierError):  # a result says why
            together.wait()
        before, begun = counts(), time.perf_counter()
        waits = [wait for each in running for wait in each.result()]
        seconds = time.perf_counter() - begun
    frames, executions = (a - b for a, b in zip(counts(), before, strict=True))
    p50, p99 = np.percentile(waits, [50, 99])
    return Load(
        way,
        batch,
        clients,
        len(waits),
        round(seconds, 3),
        round(float(p50), 2),
        round(float(p99), 2),
        round(frames / executions, 2) if executions else None,
    )


def _or_abort(client: Callable[[], list[float]], together: threading.Barrier) -> list[float]:
    """A client that fails lets the others go on."""
    try:
        return client()
    except BaseException:
        together.abort()
        raise


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `triton.json`."""
    host = content["machine"]
    lines = [
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}. "
        f"`{content['model']}` "
        f"with {content['threads']} threads, frames of {content['size']}. Triton "
        f"{content['triton']} with one instance in the Python backend, tritonclient "
        f"{content['tritonclient']}. Clients and server are on one computer and share its cores.",
        "",
        "| way | batch, at most | clients | requests/s | median, ms | p99, ms | batch, mean |",
        "|---|---|---|---|---|---|---|",
    ]
    for load in content["loads"]:
        together = "" if load["together"] is None else f"{load['together']:.1f}"
        batch = "" if load["way"] == "local" else load["batch"]
        lines.append(
            f"| {_name(load['way'])} | {batch} | {load['clients']} "
            f"| {load['requests'] / load['seconds']:.1f} "
            f"| {load['p50']:.1f} | {load['p99']:.1f} | {together} |"
        )
    return "\n".join(lines) + "\n"


def _name(way: str) -> str:
    protocol, _, shared = way.partition("?")
    names = {"local": "no server: `Fuser` in the same process", "grpc": "gRPC", "http": "HTTP"}
    return names[protocol] + (", shared memory" if shared else "")
