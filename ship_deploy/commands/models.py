"""`ship-deploy models`: the bundled models."""

import json
from dataclasses import asdict

from rich.table import Table

from ship_deploy import console
from ship_deploy.models import CATALOGUE, WHY, Model

SIZE = "480x640"  # of the table; JSON has all
HEADINGS = ("name", f"{SIZE} on a CPU", "targets lost", "targets kept", "detail kept")


def list_models(as_json: bool) -> None:
    """Print a table to choose by, or everything as JSON."""
    if as_json:
        print(json.dumps([asdict(model) for model in CATALOGUE.values()], indent=2))
        return
    table = Table(title="Bundled models", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for model in CATALOGUE.values():
        table.add_row(*row(model))
    console.OUT.print(table)
    print(f"The default is {next(iter(CATALOGUE))}: {WHY}.\n")
    for model in CATALOGUE.values():
        print(f"{model.name}: {model.purpose}")
        print(f"  network: {model.network}, {model.precision}\n  trained on: {model.data}")
        if model.speed:
            print(f"  speed: median time of a frame; {model.speed.measured}")
        if model.kept:
            print(f"  kept of what either camera shows: {model.kept.measured}")


def row(model: Model) -> tuple[str, ...]:
    """Of the table: what `HEADINGS` say."""
    seconds = model.speed and model.speed.seconds.get(SIZE)
    speed = f"{seconds:.3g} s" if seconds else "not measured"
    if (kept := model.kept) is None:
        return model.name, speed, "-", "-", "-"
    return model.name, speed, f"{kept.lost:.1%}", f"{kept.targets:.0%}", f"{kept.detail:.0%}"
