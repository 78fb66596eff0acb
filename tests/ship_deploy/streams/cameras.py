"""Cameras whose faults are scripted, which the measurement of faults uses, too."""

from benchmarks.streaming.scripted import FAULTS, ScriptedCamera

__all__ = ["FAULTS", "ScriptedCamera"]
