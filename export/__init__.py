"""Trained network -> deploy graph -> ONNX, verified. Runs from a checkout; not part of the wheel."""
