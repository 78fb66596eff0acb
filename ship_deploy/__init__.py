"""Fuse infrared and visible frames with SHIP, at camera rate.

`Fuser` fuses frames that you have; `ship_deploy.streams` has all that live cameras need.

Importing changes nothing in the process, with one exception: `ORT_DISABLE_TELEMETRY=1` is added to
the environment unless it is set, since ONNX Runtime otherwise reports on its use, names of models
included, from the moment it is imported.
"""

import os

from ship_deploy.artifact import VERSION
from ship_deploy.backends.info import Info
from ship_deploy.errors import UserError
from ship_deploy.fuser import Fuser

__version__ = VERSION

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Fuser", "Info", "UserError", "__version__"]
