"""Going on with a run: which settings differ from those that it had, and what becomes of each."""

import json
from collections.abc import Mapping
from typing import Any

from ship_deploy.errors import UserError
from training.config import Config

PLACE = ("run.resume", "run.name", "run.folder")
# Where and how a run computes, but not what it learns.
MEANS = (
    *("run.save_every", "run.accelerator", "run.devices", "run.nodes", "run.graph", "run.compile"),
    *("data.cache", "data.workers", "validation."),
)
FIXED = {
    "network.": "another network is another run",
    "run.weights": "a run has its own weights by then",
}

Changes = dict[str, tuple[Any, Any]]


def changes(before: Mapping[str, Any], now: Config) -> Changes:
    """Settings that differ, by key: what they were, and what they are; None: not set.

    Args:
        before: the config as JSON, as the run kept it.
        now: the config of this start.

    Raises:
        UserError: one that a run cannot change.
    """
    was, new = _flat(before), _flat(now.model_dump(mode="json"))
    found = {
        key: (was.get(key), new.get(key))
        for key in sorted(was.keys() | new.keys())
        if was.get(key) != new.get(key) and key not in PLACE
    }
    for key, values in found.items():
        for start, reason in FIXED.items():
            if key.startswith(start):
                raise UserError(
                    f"{key}: the run to resume has {show(values[0])}, not {show(values[1])}, and "
                    f"{reason}; change run.name"
                )
    return found


def matter(found: Changes) -> bool:
    """Whether any of the changes is one of what the run learns."""
    return any(not key.startswith(MEANS) for key in found)


def show(value: Any) -> str:
    """A setting as it is written."""
    return value if isinstance(value, str) else json.dumps(value)


def _flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": _without_none(value)
        for section, settings in sections.items()
        for key, value in settings.items()
        if value is not None
    }


def _without_none(value: Any) -> Any:
    """Settings of folders that were not there when an older run began are not set."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
