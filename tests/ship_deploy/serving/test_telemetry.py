import re
from dataclasses import replace

from ship_deploy.serving.telemetry import write_telemetry

from .conftest import ENGINE, STATISTICS

NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
LABELS = r'\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\}'
NAME = "[a-z0-9_]+"
LINE = re.compile(rf"# HELP {NAME} .+|# TYPE {NAME} (?:counter|gauge)|{NAME}(?:{LABELS})? {NUMBER}")


def test_every_line_is_of_the_format_and_every_family_is_declared_once():
    text = write_telemetry(STATISTICS, {**ENGINE, "odd-key": 'a "b"\\\nc'}, 3)
    assert text.endswith("\n")
    lines = text.splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    declared = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))
    assert {re.split(r"[ {]", line)[0] for line in lines if line[0] != "#"} <= set(declared)


def test_the_figures():
    lines = write_telemetry(STATISTICS, ENGINE, 3).splitlines()
    for line in (
        'ship_deploy_frames_received_total{source="visible"} 12345',
        'ship_deploy_frames_dropped_total{source="visible",reason="overrun"} 345',
        'ship_deploy_frames_dropped_total{source="infrared",reason="late"} 7',
        'ship_deploy_source_up{source="visible"} 1',
        'ship_deploy_source_up{source="infrared"} 0',
        'ship_deploy_results_total{fused="false"} 3',
        "ship_deploy_latency_p99_seconds 0.0876",
        "ship_deploy_viewers 3",
        'ship_deploy_engine_info{model="ship.onnx",backend="onnxruntime",device="cpu"} 1',
    ):
        assert line in lines


def test_what_is_not_known_has_no_sample():
    text = write_telemetry(replace(STATISTICS, latency_p50=None), ENGINE, 0)
    assert "\nship_deploy_latency_median_seconds " not in text
    assert "\nship_deploy_drift_seconds_per_second " not in text
    assert "\nship_deploy_offset_seconds -0.006\n" in text
