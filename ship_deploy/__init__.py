"""Fuse infrared and visible frames with SHIP, at camera rate.

`Fuser` fuses frames that you have; `ship_deploy.streams` has all that live cameras need.

Importing changes nothing in the process, with one exception: `ORT_DISABLE_TELEMETRY=1` is added to
the environment unless it is set, since ONNX Runtime otherwise reports on its use, names of models
included, from the moment it is imported.
"""

import os
from importlib import import_module

TYPE_CHECKING = False  # as in typing, whose import takes longer than all the rest here
if TYPE_CHECKING:
    from ship_deploy.artifact import VERSION as __version__  # noqa: N811
    from ship_deploy.backends.info import Info
    from ship_deploy.errors import UserError
    from ship_deploy.fuser import Fuser

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Fuser", "Info", "UserError", "__version__"]
# What is exported is imported when it is asked for, so a command can begin by minding signals.
_HOMES = {
    "Fuser": ("fuser", "Fuser"),
    "Info": ("backends.info", "Info"),
    "UserError": ("errors", "UserError"),
    "__version__": ("artifact", "VERSION"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found
