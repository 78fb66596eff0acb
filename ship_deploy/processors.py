"""How many processors this process may use."""

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def usable_processors() -> int:
    """Those that the scheduler gives it, but no more than a container's quota pays for.

    More threads than the quota would be stopped in the middle of each period, and make every frame
    late.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1  # macOS, Windows
    return max(1, min([allowed, *(int(quota) for quota in _quotas())]))


def _quotas() -> Iterator[float]:
    """Processors that the control groups of this process allow, of version 1 and 2."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, place = line.split(":", 2)
        if not controllers:
            for folder in _upwards(_ROOT, place):
                quota, _, period = _read(folder / "cpu.max").partition(" ")
                yield from _divide(quota, period)
        elif "cpu" in controllers.split(","):
            for folder in _upwards(_ROOT / "cpu", place):
                quota, period = (_read(folder / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
                yield from _divide(quota, period)


def _upwards(root: Path, place: str) -> Iterator[Path]:
    """A group's folder and those above it, whose limits hold too.

    In a container, `place` may be the host's path, of which only the root is there.
    """
    folder = root / place.lstrip("/")
    yield folder
    yield from folder.parents[: len(folder.parts) - len(root.parts)]


def _divide(quota: str, period: str) -> Iterator[float]:
    """Their quotient, if both are positive numbers; "max" and -1 stand for no limit."""
    try:
        if int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)
    except ValueError:
        pass


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
