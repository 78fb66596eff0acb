"""How a pipeline does, in the text format of Prometheus."""

from collections.abc import Iterator, Mapping

from ship_deploy.results import SourceStatistics, Statistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[dict[str, str], float | None]  # labels, value


def write_telemetry(
    statistics: Statistics,
    engine: Mapping[str, str],
    viewers: int,
    recording: bool | None = None,
) -> str:
    """The text that Prometheus scrapes; what is not known is left out.

    Args:
        statistics: of the pipeline.
        engine: what fuses.
        viewers: connections.
        recording: whether results are recorded; None if they are not meant to be.
    """
    return "".join(_families(statistics, engine, viewers, recording))


def _families(
    s: Statistics, engine: Mapping[str, str], viewers: int, recording: bool | None
) -> Iterator[str]:
    sources: dict[str, SourceStatistics] = {"visible": s.visible, "infrared": s.infrared}

    def each(attribute: str) -> list[Sample]:
        return [({"source": name}, getattr(side, attribute)) for name, side in sources.items()]

    dropped: list[Sample] = [
        ({"source": name, "reason": reason}, count)
        for name, side in sources.items()
        for reason, count in side.dropped.items()
    ]
    up: list[Sample] = [({"source": n}, side.state == "live") for n, side in sources.items()]
    results: list[Sample] = [({"fused": "true"}, s.fused), ({"fused": "false"}, s.alone)]
    yield _family("frames_received_total", "counter", "Frames that came in.", each("received"))
    yield _family("frames_fused_total", "counter", "Frames that were fused.", each("fused"))
    yield _family("frames_dropped_total", "counter", "Frames not fused, by reason.", dropped)
    yield _family("reconnections_total", "counter", "Opened again.", each("reconnections"))
    yield _family("results_total", "counter", "Pictures given out; alone if not fused.", results)
    yield _family("source_up", "gauge", "1 while frames come.", up)
    yield _family("source_frames_per_second", "gauge", "Recent rate of a source.", each("rate"))
    for name, about, value in (
        ("results_per_second", "Recent rate of pictures given out.", s.rate),
        ("latency_median_seconds", "From capture to result, recent median.", s.latency_p50),
        ("latency_p99_seconds", "The same, 99th percentile.", s.latency_p99),
        ("offset_seconds", "Infrared frames after their visible ones, recent median.", s.offset),
        ("drift_seconds_per_second", "By which the offset grows.", s.drift),
        ("uptime_seconds", "Since the start.", s.uptime),
        ("recording_up", "1 while results are recorded, 0 if the recording failed.", recording),
        ("viewers", "Connections to this server.", viewers),
    ):
        yield _family(name, "gauge", about, [({}, value)])
    yield _family("engine_info", "gauge", "What fuses.", [(dict(engine), 1)])


def _family(name: str, kind: str, about: str, samples: list[Sample]) -> str:
    name = f"ship_deploy_{name}"
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        text = ",".join(f'{_label(key)}="{_escaped(v)}"' for key, v in labels.items())
        if value is not None:
            lines.append(f"{name}{{{text}}} {value + 0}" if text else f"{name} {value + 0}")
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
