"""The table of what `make fuzz` tried."""

from typing import Any


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `fuzz.json`."""
    host = content["machine"]
    lines = [
        f"{host['processor']}, {host['measured'][:10]}; {content['seconds']} s for each kind of "
        "input, atheris with our own mutations beside it.\n",
        "| Input | Tried | Findings |",
        "|---|--:|--:|",
    ]
    lines += [f"| {t['target']} | {t['inputs']:,} | {t['findings']} |" for t in content["targets"]]
    total = sum(target["inputs"] for target in content["targets"])
    findings = sum(target["findings"] for target in content["targets"])
    lines.append(f"| **all** | **{total:,}** | **{findings}** |")
    return "\n".join(lines) + "\n"
