"""Fuse infrared and visible frames with SHIP, at camera rate."""

from importlib.metadata import PackageNotFoundError, version

from ship_deploy.errors import UserError
from ship_deploy.fuser import Fuser

try:
    __version__ = version("ship-deploy")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+checkout"

__all__ = ["Fuser", "UserError", "__version__"]
