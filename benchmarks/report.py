"""All figures that are shown, from the committed JSON: in README, docs, model card and results."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    batch,
    bindings,
    bombs,
    card,
    catalogue,
    fuzzing,
    gpu,
    highlights,
    interruption,
    mutation,
    operators,
    sizes,
    training_speed,
)
from benchmarks.fidelity import layers, narrowing, quantisation
from benchmarks.fidelity import measure as fidelity
from benchmarks.latency import bundled, ratio, scaling, tradeoff
from benchmarks.latency import measure as latency
from benchmarks.quality import summary
from benchmarks.streaming import faults, recordings, soak, threads, watch
from benchmarks.streaming import overhead as stream
from benchmarks.targets import flicker, misalignment, unseen
from benchmarks.targets import measure as targets
from benchmarks.tools import table as tools
from benchmarks.triton import load as triton
from ship_deploy.bench import records
from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically

ROOT = Path(__file__).parents[1]
CHECKPOINT = ROOT / "configs" / "ship.safetensors"
RESULTS = ROOT / "benchmarks" / "results"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
Table = Callable[[dict[str, Any]], str]


def tabulate_bench(content: dict[str, Any]) -> str:
    """What `ship-deploy bench table` prints of a file, in Markdown."""
    known = {name: value for name, value in content.items() if name not in ("format", "results")}
    results = [records.Measurement(**result) for result in content["results"]]
    record = records.Record(**known, results=results)
    return records.markdown(records.heading(record.percentiles), list(records.rows([record])))


TABLES: dict[str, Table] = {
    "batch": batch.tabulate,
    "bench": tabulate_bench,
    "bindings": bindings.tabulate,
    "bombs": bombs.tabulate,
    "bundled": bundled.tabulate,
    "faults": faults.tabulate,
    "fidelity": fidelity.tabulate,
    "fidelity-fiscnet": fidelity.tabulate,
    "flicker": flicker.tabulate,
    "fuzz": fuzzing.tabulate,
    "gpu": gpu.tabulate,
    "interruption": interruption.tabulate,
    "latency": latency.tabulate,
    "latency-fiscnet": latency.tabulate,
    "latency-ship-s": latency.tabulate,
    "latency-ship-t": latency.tabulate,
    "layers": layers.tabulate,
    "misalignment": misalignment.tabulate,
    "mutants": mutation.tabulate,
    "narrowing": narrowing.tabulate,
    "narrowing-fiscnet": narrowing.tabulate,
    "operators": operators.tabulate,
    "quality": summary.markdown,
    "quantisation": quantisation.tabulate,
    "ratio": ratio.tabulate,
    "recordings": recordings.tabulate,
    "scaling": scaling.tabulate,
    "soak": soak.tabulate,
    "stream": stream.tabulate,
    "targets": targets.tabulate,
    "threads": threads.tabulate,
    "tools": tools.tabulate,
    "training": training_speed.tabulate,
    "triton": triton.tabulate,
    "unseen": unseen.tabulate,
    "watch": watch.tabulate,
}
"""NAME.json -> NAME.md, where there is one."""
BLOCKS: dict[str, Table] = {
    "status": highlights.status,
    "gpu": lambda found: highlights.gpu(found["gpu"]),
    "quality": lambda found: card.lead(found["quality"]),
    "networks": lambda found: sizes.tabulate(found["models"]),
    "baselines": lambda found: highlights.baselines(found["quality"]),
}
"""What pages show between `<!-- NAME -->` and `<!-- end -->`, from all results and `models`."""


def render(results: Path = RESULTS, pages: Sequence[Path] = PAGES) -> dict[Path, str]:
    """What each file should hold: Markdown of all results, README, docs, model card and catalogue.

    Raises:
        UserError: a block is on no page.
    """
    found = {
        name: json.loads(path.read_text())
        for name in TABLES
        if (path := results / f"{name}.json").exists()
    }
    files = {results / f"{name}.md": TABLES[name](content) for name, content in found.items()}
    models = catalogue.update(catalogue.PATH.read_text("utf-8"), results)
    texts = {page: page.read_text() for page in pages}
    for name, block in BLOCKS.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        holders = [page for page, text in texts.items() if begin in text]
        if not holders:
            raise UserError(f"no page has {begin.strip()} ... {end}")
        shown = block({**found, "models": json.loads(models)}).strip()
        for page in holders:
            before, _, rest = texts[page].partition(begin)
            after = rest.partition(end)[2]
            texts[page] = f"{before}{begin}\n{shown}\n\n{end}{after}"
    about = card.update(card.CARD.read_text("utf-8"), results / "quality.json", CHECKPOINT)
    return {**files, **texts, card.CARD: about, catalogue.PATH: models}


def plot(results: Path = RESULTS) -> dict[Path, bytes]:
    """The plot that is made of two results, where there are both."""
    sources = [results / f"{name}.json" for name in ("bundled", "targets")]
    if not all(path.exists() for path in sources):
        return {}
    return {results / "bundled.svg": tradeoff.draw(*(json.loads(p.read_text()) for p in sources))}


def write() -> list[Path]:
    """Write those that differ; which they were."""
    files = {**{path: text.encode() for path, text in render().items()}, **plot()}
    changed = [p for p, new in files.items() if not p.exists() or p.read_bytes() != new]
    for path in changed:
        write_atomically(path, files[path])
    return changed
