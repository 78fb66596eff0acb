"""A thermal camera's counts: brought to 8 bits without flicker, dead pixels replaced."""

from ship_deploy.thermal.dead_pixels import DeadPixels, find_dead_pixels, read_dead_pixels
from ship_deploy.thermal.levels import Thermal

__all__ = ["DeadPixels", "Thermal", "find_dead_pixels", "read_dead_pixels"]
