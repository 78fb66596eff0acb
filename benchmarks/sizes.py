"""How large the bundled networks are, counted on the networks themselves."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from ship_deploy.artifact import read_artifact
from ship_deploy.models import CATALOGUE
from training.networks import find

HEIGHT, WIDTH = 480, 640


def tabulate(models: Sequence[dict[str, Any]]) -> str:
    """Parameters, operations and file of each.

    Args:
        models: the catalogue's entries.
    """
    heading = f"| model | parameters | GFLOP, {HEIGHT}x{WIDTH} | `model.onnx` | settings |"
    lines = [_row(entry["name"]) for entry in models]
    return "\n".join([heading, "|---|---:|---:|---:|---|", *lines])


@cache
def _row(name: str) -> str:
    path = CATALOGUE[name].path
    metadata = read_artifact(path).metadata
    config = json.loads(metadata["config"])
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(), counter, torch.no_grad():  # shapes without numbers
        network = find(metadata["network"].lower()).module(**config)
        frame = torch.zeros(1, 1, HEIGHT, WIDTH)
        network(frame, frame)
    parameters = sum(weights.numel() for weights in network.parameters())
    settings = ", ".join(f"{key} {value}" for key, value in config.items())
    return (
        f"| `{name}` | {parameters:,} | {counter.get_total_flops() / 1e9:.3g} | "
        f"{path.stat().st_size / 1024:,.0f} KiB | {settings} |"
    )
