"""Fusion networks. Each takes (visible_y, infrared) and returns (fused_y, raw)."""

from training.networks.ship import SHIP

__all__ = ["SHIP"]
