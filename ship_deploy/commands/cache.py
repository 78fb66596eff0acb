"""`ship-deploy cache`: the engines that were built without being asked for."""

from datetime import datetime

from rich.markup import escape
from rich.table import Table

from ship_deploy import console
from ship_deploy.engines.cache import LIMIT, cache_folder, list_cached, remove_cached


def list_engines() -> None:
    """Print a table of them, the last used first."""
    engines = list_cached()
    table = Table(title=escape(str(cache_folder())), title_justify="left")
    for heading in ("engine", "MiB", "last used"):
        table.add_column(heading, overflow="fold")
    for engine in engines:
        used = datetime.fromtimestamp(engine.used).strftime("%Y-%m-%d %H:%M")
        table.add_row(escape(engine.path.name), f"{engine.size / 2**20:.1f}", used)
    console.OUT.print(table)
    total = sum(engine.size for engine in engines) / 2**20
    print(f"{len(engines)} engines of {total:.1f} MiB.")
    print(f"Beyond {LIMIT >> 20} MiB, those that were not used for longest are removed.")


def clear_engines() -> None:
    """Remove all of them that no process is building or reading."""
    engines = list_cached()
    removed = [engine for engine in engines if remove_cached(engine.path)]
    total = sum(engine.size for engine in removed) / 2**20
    print(f"Removed {len(removed)} engines of {total:.1f} MiB from {cache_folder()}.")
    if left := len(engines) - len(removed):
        print(f"{left} are in use by other processes and stayed.")
