"""Spans for OpenTelemetry: `frame`, and in it `prepare` and `fuse`.

They go wherever the program sets up a provider, or `opentelemetry-instrument` does for it. Where
OpenTelemetry is not installed, there are none.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_tracer: "Tracer | None"
try:
    from opentelemetry import trace

    _tracer = trace.get_tracer("ship_deploy")  # of the provider that is set, now or later
except ImportError:
    _tracer = None


def span(name: str, begun: float | None = None) -> "AbstractContextManager[Span | None]":
    """A span around a block.

    Args:
        name: of the span.
        begun: seconds on `time.monotonic`'s clock; None for now.
    """
    if _tracer is None:
        return nullcontext()
    ago = 0.0 if begun is None else time.monotonic() - begun
    return _tracer.start_as_current_span(name, start_time=time.time_ns() - int(ago * 1e9))
