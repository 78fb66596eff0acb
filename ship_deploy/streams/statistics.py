"""What a pipeline says of itself."""

from dataclasses import dataclass

from ship_deploy.streams.sources import Clock


@dataclass(frozen=True)
class SourceStatistics:
    """One source, since the start. Once the pipeline is closed, received = fused + sum(dropped).

    Attributes:
        name: address, path or camera index.
        state: "connecting", "live", "down" or "ended".
        received: frames that came.
        fused: frames that are part of a fused result; each counts once, however often it was used.
        dropped: reason -> frames that are not.
        reconnections: how often it was opened again.
        rate: frames per second, recently; 0.0 if not known.
        clock: that its frames are placed by, see `Source`; "shared" only if both declare it.
        by_arrival: frames that were placed by their time of arrival, as their stamps were wrong.
    """

    name: str
    state: str
    received: int
    fused: int
    dropped: dict[str, int]
    reconnections: int
    rate: float
    clock: Clock
    by_arrival: int


@dataclass(frozen=True)
class Statistics:
    """A pipeline at one moment.

    Attributes:
        visible: its source.
        infrared: its source.
        fused: results that were fused.
        alone: results that show one camera alone.
        rate: results per second, recently; 0.0 if not known.
        latency_p50: seconds from capture to result, median of recent results; None for files.
        latency_p99: the same, 99th percentile.
        offset: seconds that infrared frames lie after their visible ones, median of recent pairs;
            None before the first.
        drift: seconds a second by which that grows; None if not known, or if the cameras' rates
            differ by more than 5%.
        uptime: seconds since the start.
    """

    visible: SourceStatistics
    infrared: SourceStatistics
    fused: int
    alone: int
    rate: float
    latency_p50: float | None
    latency_p99: float | None
    offset: float | None
    drift: float | None
    uptime: float
