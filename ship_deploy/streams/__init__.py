"""Two live cameras in, one fused stream out."""

from ship_deploy.streams.frame import Frame, Output, Result

__all__ = ["Frame", "Output", "Result"]
