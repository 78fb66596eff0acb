"""What `mkdocs build` adds to the pages: figures from benchmarks/results, help of the commands."""

import importlib
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click
from typer.main import get_command

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
HELP = re.compile(r"<!-- help: (?P<name>.+?) = (?P<module>[\w.]+) -->")
RESULT = re.compile(r"<!-- result: (\w+) -->")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the figures of the results at figures/."""
    for path in sorted(RESULTS.iterdir()):
        if path.suffix in {".svg", ".jpg", ".png"}:
            files.append(File.generated(config, f"figures/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put something in place of `<!-- result: NAME -->` and `<!-- help: NAME = MODULE -->`."""
    markdown = RESULT.sub(lambda found: result(found[1]), markdown)
    return HELP.sub(lambda found: describe(**found.groupdict()), markdown)


def result(name: str) -> str:
    """The plot and the table of a result; for pages in results/."""
    table, plot = RESULTS / f"{name}.md", RESULTS / f"{name}.svg"
    if not table.exists():
        return "Not measured yet."
    shown = f"![The figures of the table, plotted](../figures/{plot.name})\n\n"
    return (shown if plot.exists() else "") + table.read_text()


def describe(name: str, module: str) -> str:
    """The help of all commands of `module.app` in Markdown, one heading level down."""
    command = get_command(importlib.import_module(module).app)
    context = command.make_context(name, [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name=name)
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)  # cut short; they follow in full
    return re.sub(r"^#", "##", text, flags=re.MULTILINE)
