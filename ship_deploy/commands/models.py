"""`ship-deploy models`: the bundled models."""

import json
from dataclasses import asdict

from rich.table import Table

from ship_deploy import console
from ship_deploy.models import CATALOGUE, WHY, Model

SIZE = "480x640"  # of the table; JSON has all


def list_models(as_json: bool) -> None:
    """Print a table to choose by, or everything as JSON."""
    if as_json:
        print(json.dumps([asdict(model) for model in CATALOGUE.values()], indent=2))
        return
    table = Table(title="Bundled models", title_justify="left")
    for heading in ("name", f"{SIZE} on a CPU", "targets lost", "targets kept", "detail kept"):
        table.add_column(heading, overflow="fold")
    for model in CATALOGUE.values():
        table.add_row(model.name, _seconds(model), *_kept(model))
    console.OUT.print(table)
    print(f"The default is {next(iter(CATALOGUE))}: {WHY}.\n")
    for model in CATALOGUE.values():
        print(f"{model.name}: {model.purpose}")
        print(f"  network: {model.network}, {model.precision}\n  trained on: {model.data}")
        if model.speed:
            print(f"  speed: median time of a frame; {model.speed.measured}")
        if model.kept:
            print(f"  kept of what either camera shows: {model.kept.measured}")


def _seconds(model: Model) -> str:
    found = model.speed and model.speed.seconds.get(SIZE)
    return f"{found:.3g} s" if found else "not measured"


def _kept(model: Model) -> list[str]:
    if model.kept is None:
        return ["-", "-", "-"]
    return [f"{model.kept.lost:.1%}", f"{model.kept.targets:.0%}", f"{model.kept.detail:.0%}"]
