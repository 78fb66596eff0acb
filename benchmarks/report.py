"""All tables that are shown, made from the committed JSON: in README, model card and results."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import card, catalogue, gpu, training_speed
from benchmarks.fidelity import layers, narrowing
from benchmarks.fidelity import measure as fidelity
from benchmarks.latency import measure as latency
from benchmarks.latency import scaling
from benchmarks.quality import summary
from benchmarks.streaming import overhead as stream
from benchmarks.streaming import soak
from benchmarks.targets import flicker, misalignment
from benchmarks.targets import measure as targets
from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically

ROOT = Path(__file__).parents[1]
CHECKPOINT = ROOT / "configs" / "ship.safetensors"
RESULTS = ROOT / "benchmarks" / "results"
Table = Callable[[dict[str, Any]], str]
TABLES: dict[str, Table] = {
    "fidelity": fidelity.tabulate,
    "flicker": flicker.tabulate,
    "gpu": gpu.tabulate,
    "latency": latency.tabulate,
    "layers": layers.tabulate,
    "misalignment": misalignment.tabulate,
    "narrowing": narrowing.tabulate,
    "quality": summary.markdown,
    "scaling": scaling.tabulate,
    "soak": soak.tabulate,
    "stream": stream.tabulate,
    "targets": targets.tabulate,
    "training": training_speed.tabulate,
}
"""NAME.json -> NAME.md, where there is one."""
BLOCKS: dict[str, Table] = {
    "fidelity": fidelity.verdicts,
    "latency": latency.speeds,
    "quality": card.lead,
}
"""README's, between `<!-- NAME -->` and `<!-- end -->`."""


def render(results: Path = RESULTS, readme: Path = ROOT / "README.md") -> dict[Path, str]:
    """What each file should hold: the Markdown of all results, README, model card and catalogue.

    Raises:
        UserError: README lacks a block.
    """
    found = {
        name: json.loads(path.read_text())
        for name in TABLES
        if (path := results / f"{name}.json").exists()
    }
    files = {results / f"{name}.md": TABLES[name](content) for name, content in found.items()}
    text = readme.read_text()
    for name, table in BLOCKS.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not (shown := block.search(text)):
            raise UserError(f"{readme}: no <!-- {name} --> ... <!-- end -->")
        text = text[: shown.end(1)] + table(found[name]) + text[shown.start(2) :]
    about = card.update(card.CARD.read_text("utf-8"), results / "quality.json", CHECKPOINT)
    models = catalogue.update(catalogue.PATH.read_text("utf-8"), results)
    return {**files, readme: text, card.CARD: about, catalogue.PATH: models}


def write() -> list[Path]:
    """Write those that differ; which they were."""
    changed = [(path, text) for path, text in render().items() if path.read_text() != text]
    for path, text in changed:
        write_atomically(path, text.encode())
    return [path for path, _ in changed]
