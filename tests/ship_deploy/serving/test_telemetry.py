from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from ship_deploy.results import Recording
from ship_deploy.serving.telemetry import write_telemetry

from .conftest import ENGINE, STATISTICS


def read(content):
    """Name and labels of each sample -> its value; as Prometheus understands it."""
    families = list(text_string_to_metric_families(content.decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    return {
        (sample.name.removeprefix("ship_deploy_"), *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_figures():
    found = read(write_telemetry(STATISTICS, ENGINE, 3))
    visible, infrared = ("source", "visible"), ("source", "infrared")
    expected = {
        ("frames_received_total", visible): 12345,
        ("frames_fused_total", infrared): 12000,
        ("frames_dropped_total", ("reason", "overrun"), visible): 345,
        ("frames_dropped_total", ("reason", "late"), infrared): 7,
        ("connection_attempts_total", visible): 4,
        ("reconnections_total", visible): 2,
        ("source_up", visible): 1,
        ("source_up", infrared): 0,
        ("source_frames_per_second", visible): 25,
        ("results_total", ("fused", "true")): 12000,
        ("results_total", ("fused", "false")): 3,
        ("results_per_second",): 24.9,
        ("latency_median_seconds",): 0.0421,
        ("latency_p99_seconds",): 0.0876,
        ("offset_seconds",): -0.006,
        ("uptime_seconds",): 3725,
        ("viewers",): 3,
        ("engine_info", *sorted(ENGINE.items())): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_odd_names_and_values_of_the_engine():
    found = read(write_telemetry(STATISTICS, {"odd-key": 'a "b"\\\nc'}, 3))
    assert found["engine_info", ("odd_key", 'a "b"\\\nc')] == 1


def test_what_is_not_known_has_no_sample():
    found = read(write_telemetry(replace(STATISTICS, latency_p50=None), ENGINE, 0))
    names = {name for name, *_ in found}
    assert not names & {"latency_median_seconds", "drift_seconds_per_second", "recording_up"}
    assert found["offset_seconds",] == -0.006


def test_whether_it_records():
    for problem in ("", "No space left on device"):
        recording = Recording(problem, 1_795_615_380.0, 12_345, 678)
        found = read(write_telemetry(STATISTICS, ENGINE, 0, recording))
        assert found["recording_up",] == (not problem)
        assert found["recording_last_write_timestamp_seconds",] == 1_795_615_380
        assert found["recording_bytes_total",] == 12_345
        assert found["recording_free_bytes",] == 678


def test_the_process():
    found = read(write_telemetry(STATISTICS, ENGINE, 0))
    assert found["process_resident_memory_bytes",] > 1e6 and found["process_open_fds",] > 0
