"""Fuse infrared and visible frames with SHIP, at camera rate."""

import os
from importlib.metadata import PackageNotFoundError, version

from ship_deploy.errors import UserError
from ship_deploy.fuser import Fuser

try:
    __version__ = version("ship-deploy")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+checkout"

# ONNX Runtime reports on its use, names of models included, unless this is set when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Fuser", "UserError", "__version__"]
