"""All that a GPU is wanted for, unattended: what is worth most first, and what failed is said."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import device, machine, probes, record
from benchmarks.candidates import BASELINES, FOR_FIDELITY, FOR_LATENCY, Candidate
from benchmarks.fidelity import measure as fidelity
from benchmarks.isolated import isolated
from benchmarks.latency import measure as latency
from benchmarks.models import PORTABLE, Models, Size
from export.build import Graph
from ship_deploy.cuda.gpu import find_gpu
from ship_deploy.engines.flavour import MODULES
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.models import CATALOGUE
from training.checkpoints import digest

PRECISIONS = ("fp32", "fp16")
PAIRS = 4  # of each folder
A_PROBE = 60  # seconds that one may take
A_SIZE = 40  # seconds after which no other round is begun


class Steps:
    """What is done one after the other, each in a process of its own, while there is time.

    Args:
        say: called with a line on every step.
        after: called after every step.
        deadline: on `time.perf_counter`.
    """

    def __init__(
        self, say: Callable[[str], object], after: Callable[[], object], deadline: float
    ) -> None:
        self._say = say
        self._after = after
        self._deadline = deadline
        self.problems: dict[str, str] = {}

    def do(self, name: str, work: Callable[..., Any], *arguments: Any, most: float = 600) -> Any:
        """Do a step; what it returns, or None if it failed, and `problems` says why."""
        left = self._deadline - time.perf_counter()
        self._say(f"{name}, {left:.0f} s left")
        try:
            if left <= 0:
                raise UserError("the time limit was reached")
            return isolated(work, *arguments, seconds=min(left, most))
        except UserError as error:
            self.problems[name] = str(error)
            self._say(str(error))
            return None
        finally:
            self._after()


def run(
    models: Models,
    data: Sequence[Path],
    output: Path,
    sizes: Sequence[Size],
    rounds: int,
    minutes: float,
    say: Callable[[str], object],
) -> str:
    """Check, build, compare, time; write `gpu.json` and `gpu.md`, details into `gpu/`.

    What fails, crashes or hangs is noted, and the rest goes on; both files are written after every
    step. Without a GPU engines are built, for all GPUs that TensorRT-RTX can name.

    Args:
        models: what to measure.
        data: folders with visible/ and infrared/; made-up frames are compared on as well.
        output: folder.
        sizes: of the frames to time, each with an engine of its own; the first one matters most.
        rounds: counted calls of each candidate at each size.
        minutes: after which everything is ended.
        say: called with a line on every step.

    Returns:
        The Markdown tables.
    """
    details = output / "gpu"
    make_folder(details)
    begun = time.perf_counter()
    deadline = begun + 60 * minutes
    content: dict[str, Any] = {
        "machine": machine.describe(),
        "checkpoint": models.checkpoint.name,
        "checkpoint_digest": digest(models.checkpoint),
        "device": {},
        "probes": {},
        "searches": [],
        "bundled": [],
    }

    def write() -> str:
        built = [b for b in models.builds() if b["graph"] == Graph.FRAMES.value]
        if gpu is not None:  # not those that came in the folder
            built = [b for b in built if b["compute_capabilities"] == [gpu.compute_capability]]
        folders = [*map(_text, sizes), *(f"compile-{p}" for p in PRECISIONS)]
        timed = [_read(details / folder / "latency.json") for folder in folders]
        content.update(
            minutes=(time.perf_counter() - begun) / 60,
            builds=built,
            problems=steps.problems,
            fidelity=_read(details / "fidelity.json"),
            latency=_joined([found for found in timed if found]),
        )
        table = tabulate(content)
        record.write(output, "gpu", content, table)
        return table

    steps = Steps(say, write, deadline)
    gpu = None
    try:
        gpu = find_gpu()
    except UserError as error:
        steps.problems["GPU"] = str(error)
        for flavour in MODULES:
            if steps.do(f"Load {flavour}", probes.version, flavour) is None:
                continue
            for size in (None, *sizes):
                for precision in PRECISIONS:
                    _build(steps, models, flavour, precision, size)
        return write()

    content["device"] = steps.do("CUDA layer", device.check_all, most=A_PROBE) or {}
    timed = [c for c in FOR_LATENCY["cuda"] if c.engine != "compile" and c.flavour is None]
    alone = [c for c in timed if c.engine == "onnxruntime"]
    for flavour in MODULES:
        if steps.do(f"Load {flavour}", probes.version, flavour, most=A_PROBE) is None:
            continue
        if all(_build(steps, models, flavour, p, sizes[0]) for p in PRECISIONS):
            timed += [c for c in FOR_LATENCY["cuda"] if c.flavour == flavour]
            alone += [c for c in timed if c.flavour == flavour]

    def time_all(size: Size, candidates: Sequence[Candidate], first: Sequence[Candidate]) -> None:
        until = min(deadline - 5, time.perf_counter() + A_SIZE)
        folder = details / _text(size)
        arguments = (models, candidates, folder, [size], rounds, first, until)
        steps.do(f"Latency, {_text(size)}", latency.run, *arguments)

    time_all(sizes[0], timed, alone)
    ran = _titles(_read(details / _text(sizes[0]) / "latency.json"))
    timed = [c for c in timed if c.title in ran or c.flavour is None]
    compared = [c for c in FOR_FIDELITY if c in timed]
    steps.do("Fidelity", fidelity.run, models, compared, data, details, PAIRS)
    for size in sizes[1:]:
        time_all(size, timed, [])
    for name, work, *arguments in _engine_probes(models, sizes[0]):
        found = steps.do(name, work, *arguments, most=A_PROBE)
        content["probes"][name] = found or steps.problems.pop(name)
    for name in CATALOGUE:
        step = f"{name} in ONNX Runtime, {_text(sizes[0])}"
        found = steps.do(step, probes.time_bundled, name, sizes[0], most=A_PROBE)
        content["bundled"] += found or []
    for precision in PRECISIONS:  # at one size, since every size is compiled anew
        pair = [BASELINES["cuda"], Candidate("compile", "cuda", precision)]
        folder = details / f"compile-{precision}"
        steps.do(
            f"torch.compile, {precision.upper()}",
            *(latency.run, models, pair, folder, sizes[:1], rounds, (), deadline - 5),
        )
    for precision in PRECISIONS:
        name = f"cuDNN's kernels in ONNX Runtime, {precision.upper()}"
        found = steps.do(name, probes.try_searches, models.onnx(precision), sizes[0], most=A_PROBE)
        content["searches"] += found or []
    return write()


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown tables of a `gpu.json`."""
    host = content["machine"]
    gpu = host["gpu"]
    where = f"{gpu['name']}, driver {gpu['driver_version']}" if gpu else "no GPU here"
    lines = [
        f"{content['checkpoint']}; {where}; {host['processor']}, {host['cores']} cores; "
        f"{host['measured'][:10]}; {content['minutes']:.1f} minutes in all. FP32 is without TF32 "
        "everywhere; PyTorch's kernels are chosen by timing (`cudnn.benchmark`).",
    ]
    if content["device"]:
        lines += ["", "### CUDA layer", "", "| check | outcome |", "|---|---|"]
        lines += [f"| {check} | {outcome} |" for check, outcome in content["device"].items()]
    if content["probes"]:
        lines += ["", "### TensorRT-RTX on this GPU", "", "| engine | outcome |", "|---|---|"]
        lines += [f"| {name} | {outcome} |" for name, outcome in content["probes"].items()]
    if content["builds"]:
        lines += [
            *("", "### Builds", ""),
            "| engine | type | sizes | compute capabilities | time | engine's size |",
            "|---|---|---|---|---|---|",
        ]
    for b in content["builds"]:
        capabilities = ", ".join(b["compute_capabilities"])
        lines.append(
            f"| {b['engine']} | {b['precision'].upper()} | {b['sizes']} | {capabilities} "
            f"| {b['seconds']:.1f} s | {b['mib']:.1f} MiB |"
        )
    for name, module in (("latency", latency), ("fidelity", fidelity)):
        if content[name]:
            lines += ["", f"### {name.capitalize()}", "", module.tabulate(content[name])]
    if content.get("bundled"):  # not measured before 2026-11-27
        lines += [
            *("", "### Bundled models in ONNX Runtime", ""),
            "| model | frames | first | median | slowest | largest difference from the CPU |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {b['model']} | {b['way']} | {b['first']:.2f} s | {1000 * b['median']:.2f} ms "
            f"| {1000 * b['slowest']:.2f} ms | {b['difference']} |"
            for b in content["bundled"]
        ]
    if content["searches"]:
        lines += [
            *("", "### cuDNN's kernels in ONNX Runtime", ""),
            "| model | search | load | first frame | median | nodes on the processor |",
            "|---|---|---|---|---|---|",
        ]
    for s in content["searches"]:
        elsewhere = ", ".join(f"{n} {op}" for op, n in s["on_processor"].items()) or "none"
        lines.append(
            f"| {s['model']} | {s['search']} | {s['load']:.2f} s | {s['first']:.2f} s "
            f"| {1000 * s['median']:.2f} ms | {elsewhere} of {s['nodes']} |"
        )
    if content["problems"]:
        lines += ["", "### What did not run or did not pass", "", "| step | why |", "|---|---|"]
        lines += [f"| {step} | {why} |" for step, why in content["problems"].items()]
    return "\n".join(lines) + "\n"


def _build(
    steps: Steps, models: Models, flavour: str, precision: str, size: Size | None
) -> Path | None:
    name = f"Build with {flavour}, {precision.upper()}, {_text(size)}"
    built: Path | None = steps.do(name, models.engine, flavour, precision, size)
    return built


def _engine_probes(models: Models, size: Size) -> list[tuple[Any, ...]]:
    """Engines of TensorRT-RTX that came in the folder, and those that are built here."""
    brought = sorted(models.folder.glob(f"*.tensorrt-rtx.{_text(size)}.{PORTABLE}.engine"))
    found: list[tuple[Any, ...]] = [
        (f"{path.name}, built elsewhere", probes.run_engine, path, size) for path in brought
    ]
    for target in probes.TARGETS:
        model = models.onnx("fp32")
        found.append((f"built here, {target} target", probes.build_and_run, model, target, size))
    return found


def _text(size: Size | None) -> str:
    return "any size" if size is None else f"{size[0]}x{size[1]}"


def _joined(contents: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Several `latency.json` as one; a candidate's first row at a size counts."""
    rows: dict[tuple[str, str], Any] = {}
    for result in (r for content in contents for r in content["results"]):
        rows.setdefault((result["size"], result["candidate"]), result)
    return {**contents[0], "results": list(rows.values())} if contents else None


def _titles(content: dict[str, Any] | None) -> set[str]:
    """The candidates that were timed."""
    return {r["candidate"] for r in (content or {"results": []})["results"] if "latency" in r}


def _read(path: Path) -> dict[str, Any] | None:
    """What a step wrote, if it came so far."""
    return json.loads(path.read_text()) if path.exists() else None
