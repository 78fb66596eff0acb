"""Latency, fidelity and fusion quality. Runs from a checkout; not part of the wheel."""
