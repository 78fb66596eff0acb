"""Results on disk: a JSON of all figures, and the Markdown table made from it."""

import json
from pathlib import Path
from typing import Any

from ship_deploy.files import write_atomically


def write(output: Path, name: str, record: dict[str, Any], table: str) -> None:
    """Write NAME.json and NAME.md into a folder that is there."""
    write_atomically(output / f"{name}.json", (json.dumps(record, indent=1) + "\n").encode())
    write_atomically(output / f"{name}.md", table.encode())


def duration(seconds: float) -> str:
    """As tables show it: "1.56 s", "25.2 ms"."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
