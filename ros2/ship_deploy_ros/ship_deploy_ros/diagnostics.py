"""How the pipeline does, as a diagnostic status."""

from collections.abc import Iterator, Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from ship_deploy.streams import Statistics


def describe(statistics: Statistics, engine: Mapping[str, str]) -> DiagnosticStatus:
    """OK while both cameras deliver and are fused; WARN while one does not, or nothing is."""
    sides = {"visible": statistics.visible, "infrared": statistics.infrared}
    silent = [f"{name} is {side.state}" for name, side in sides.items() if side.state != "live"]
    said = ", ".join(silent) or ("" if statistics.fused else "nothing is fused yet")
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if said else DiagnosticStatus.OK,
        message=said or f"fusing at {statistics.rate:.1f} Hz",
        hardware_id=engine.get("device", ""),
        values=[KeyValue(key=key, value=value) for key, value in _values(statistics, engine)],
    )


def _values(s: Statistics, engine: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "fused", str(s.fused)
    yield "alone", str(s.alone)
    yield "rate (Hz)", f"{s.rate:.1f}"
    if s.latency_p50 is not None and s.latency_p99 is not None:
        yield "latency, median (ms)", f"{s.latency_p50 * 1000:.1f}"
        yield "latency, 99th percentile (ms)", f"{s.latency_p99 * 1000:.1f}"
    if s.offset is not None:
        yield "infrared after visible (ms)", f"{s.offset * 1000:.1f}"
    for name, side in (("visible", s.visible), ("infrared", s.infrared)):
        yield f"{name}: state", side.state
        yield f"{name}: rate (Hz)", f"{side.rate:.1f}"
        yield f"{name}: received", str(side.received)
        yield f"{name}: fused", str(side.fused)
        for reason, count in side.dropped.items():
            yield f"{name}: dropped, {reason}", str(count)
        yield f"{name}: stamps not believed", str(side.by_arrival)
    for key, value in engine.items():
        yield f"engine: {key}", value
