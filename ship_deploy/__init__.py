"""Fuse infrared and visible frames with SHIP, at camera rate."""

import os

from ship_deploy.artifact import VERSION
from ship_deploy.errors import UserError
from ship_deploy.fuser import Fuser

__version__ = VERSION

# ONNX Runtime reports on its use, names of models included, unless this is set when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Fuser", "UserError", "__version__"]
