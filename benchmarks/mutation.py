"""The table of what `make mutants` tried."""

from typing import Any


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `mutants.json`."""
    lines = [
        f"{content['measured'][:10]}; samples of all changes that there are, drawn by chance.\n",
        "| Sample | Changes tried | Seen by the nearest tests | Not seen | Share |",
        "|---|--:|--:|--:|--:|",
    ]
    for sample in content["samples"]:
        tried, passed = sample["tried"], sample["passed"]
        lines.append(
            f"| {sample['seed']} | {tried} | {tried - passed} | {passed} | {passed / tried:.1%} |"
        )
    return "\n".join(lines) + "\n"
