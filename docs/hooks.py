"""What `mkdocs build` adds to the pages: figures from benchmarks/results, help of the commands."""

import importlib
import re
from pathlib import Path
from typing import Any

import cv2
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click
from typer.main import get_command

from ship_deploy.models import find_model
from training.manual import render as render_config
from training.scenes import render

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
EXPERIMENTS = DOCS.parent / "training" / "EXPERIMENTS.md"
# ONNX Runtime Web, for the page that fuses in the browser, as `make docs` installs it.
RUNTIME = DOCS.parent / "build" / "browser" / "node_modules" / "onnxruntime-web" / "dist"
PARTS = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
NO_RUNTIME = "**This site was built without `npm`, so nothing can be fused on this page.**"
SCRIPT = re.compile(r"<script.*</script>")
HELP = re.compile(r"<!-- help: (?P<name>.+?) = (?P<module>[\w.]+) -->")
FIGURES = {".svg", ".jpg", ".png"}
CONFIG = "<!-- config -->"
RESULT = re.compile(r"<!-- result: (\w+) -->")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the figures of the results at figures/, a network and its runtime at browser/, ..."""
    added = {f"figures/{p.name}": p for p in RESULTS.iterdir() if p.suffix in FIGURES}
    added["browser/ship-t.onnx"] = find_model("ship-t")
    added["results/experiments.md"] = EXPERIMENTS
    if RUNTIME.is_dir():
        added |= {f"browser/onnxruntime-web/{part}": RUNTIME / part for part in PARTS}
    for name, path in sorted(added.items()):
        files.append(File.generated(config, name, abs_src_path=str(path)))
    for name, frame in zip(("visible", "infrared"), render(seed=1), strict=True):
        content = cv2.imencode(".png", frame)[1].tobytes()
        files.append(File.generated(config, f"browser/{name}.png", content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put something in place of `<!-- result: NAME -->`, `<!-- help: NAME = MODULE -->`, ..."""
    if not RUNTIME.is_dir():
        markdown = SCRIPT.sub(NO_RUNTIME, markdown)
    markdown = markdown.replace(CONFIG, f"```yaml\n{render_config('compact')}```")
    markdown = RESULT.sub(lambda found: result(found[1]), markdown)
    return HELP.sub(lambda found: describe(**found.groupdict()), markdown)


def result(name: str) -> str:
    """The plot or picture and the table of a result; for pages one folder down."""
    table = RESULTS / f"{name}.md"
    if not table.exists():
        return "Not measured yet."
    shown = [table.with_suffix(suffix) for suffix in (".svg", ".jpg")]
    figures = [f"![What the table is of](../figures/{p.name})\n\n" for p in shown if p.exists()]
    return "".join(figures) + table.read_text()


def describe(name: str, module: str) -> str:
    """The help of all commands of `module.app` in Markdown, one heading level down."""
    command = get_command(importlib.import_module(module).app)
    context = command.make_context(name, [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name=name)
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)  # cut short; they follow in full
    return re.sub(r"^#", "##", text, flags=re.MULTILINE)
