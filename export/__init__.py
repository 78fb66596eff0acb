"""Trained network -> deploy graph -> verified ONNX. Runs from a checkout; not part of the wheel."""
