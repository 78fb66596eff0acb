"""Triton Inference Server: the server of nvidia-pytriton's wheel, and how it copes with load."""
