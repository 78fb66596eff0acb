"""How a pipeline does, for Prometheus."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ship_deploy.results import Recording, SourceStatistics, Statistics

__all__ = ["CONTENT_TYPE", "write_telemetry"]
Samples = Sequence[tuple[Mapping[str, str], float | None]]  # labels, value


def write_telemetry(
    statistics: Statistics,
    engine: Mapping[str, str],
    viewers: int,
    recording: Recording | None = None,
) -> bytes:
    """What Prometheus scrapes, with memory, files and CPU time of the process.

    What is not known is left out.

    Args:
        statistics: of the pipeline.
        engine: what fuses.
        viewers: connections.
        recording: how it does; None if there is none.
    """
    registry = CollectorRegistry()
    registry.register(_Telemetry(list(_families(statistics, engine, viewers, recording))))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Telemetry(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _families(
    s: Statistics, engine: Mapping[str, str], viewers: int, recording: Recording | None
) -> Iterator[Metric]:
    recorded = {} if recording is None else asdict(recording)
    well = None if recording is None else not recording.problem
    sources: dict[str, SourceStatistics] = {"visible": s.visible, "infrared": s.infrared}

    def each(attribute: str) -> Samples:
        return [({"source": name}, getattr(side, attribute)) for name, side in sources.items()]

    dropped: Samples = [
        ({"source": name, "reason": reason}, count)
        for name, side in sources.items()
        for reason, count in side.dropped.items()
    ]
    up: Samples = [({"source": n}, side.state == "live") for n, side in sources.items()]
    results: Samples = [({"fused": "true"}, s.fused), ({"fused": "false"}, s.alone)]
    known = {_label(key): value for key, value in engine.items()}
    counters: dict[str, tuple[str, Samples]] = {
        "frames_received": ("Frames that came in.", each("received")),
        "frames_fused": ("Frames that were fused.", each("fused")),
        "frames_dropped": ("Frames not fused, by reason.", dropped),
        "connection_attempts": ("Attempts to open a source.", each("attempts")),
        "reconnections": ("Opened again.", each("reconnections")),
        "recording_bytes": ("Written by the recording.", [({}, recorded.get("bytes"))]),
        "results": ("Pictures given out; alone if not fused.", results),
    }
    gauges: dict[str, tuple[str, Samples]] = {
        "source_up": ("1 while frames come.", up),
        "source_frames_per_second": ("Recent rate of a source.", each("rate")),
        "results_per_second": ("Recent rate of pictures given out.", [({}, s.rate)]),
        "latency_median_seconds": ("From capture to result, median.", [({}, s.latency_p50)]),
        "latency_p99_seconds": ("The same, 99th percentile.", [({}, s.latency_p99)]),
        "offset_seconds": ("Infrared frames after visible ones, median.", [({}, s.offset)]),
        "drift_seconds_per_second": ("By which the offset grows.", [({}, s.drift)]),
        "uptime_seconds": ("Since the start.", [({}, s.uptime)]),
        "recording_up": ("1 while results are recorded, 0 if not.", [({}, well)]),
        "recording_last_write_timestamp_seconds": (
            "When it grew.",
            [({}, recorded.get("written"))],
        ),
        "recording_free_bytes": ("Free space on its disk.", [({}, recorded.get("free"))]),
        "viewers": ("Connections to this server.", [({}, viewers)]),
        "engine_info": ("What fuses.", [(known, 1)]),
    }
    for kind, families in ((CounterMetricFamily, counters), (GaugeMetricFamily, gauges)):
        for name, (about, samples) in families.items():
            labels = [*samples[0][0]] if samples else []
            family = kind(f"ship_deploy_{name}", about, labels=labels)
            for values, value in samples:
                if value is not None:
                    family.add_metric([*values.values()], value)
            yield family


def _label(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text)
