"""Spans, as a collector gets them."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ship_deploy.errors import UserError
from ship_deploy.images import write_png
from ship_deploy.streams import ImageFolder, Pipeline, pipeline, tracing
from tests.ship_deploy.streams.cameras import ScriptedCamera


@pytest.fixture
def spans(monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


def average(visible, infrared):
    return visible // 2 + infrared[..., None] // 2


def folders(path, count):
    for side in ("v", "i"):
        (path / side).mkdir()
        for number in range(count):
            write_png(path / side / f"{number}.png", np.full((16, 16), 50 * number, np.uint8))
    return ImageFolder(path / "v", infrared=False), ImageFolder(path / "i", infrared=True)


def test_every_frame_has_a_span_with_its_parts(spans, tmp_path):
    with Pipeline(*folders(tmp_path, 3), average) as files:
        assert len([*files]) == 3
    found = spans.get_finished_spans()
    frames = [span for span in found if span.name == "frame"]
    assert [frame.attributes["ship_deploy.visible"] for frame in frames] == [0, 1, 2]
    assert all(frame.attributes["ship_deploy.fused"] and not frame.parent for frame in frames)
    for name in ("prepare", "fuse"):
        parents = [span.parent.span_id for span in found if span.name == name]
        assert parents == [frame.context.span_id for frame in frames]


def test_a_frame_that_is_refused_says_why(spans, tmp_path):
    def refuse(visible, infrared):
        raise UserError("too small")

    with Pipeline(*folders(tmp_path, 1), refuse) as files:
        assert len([*files]) == 1
    found = {span.name: span for span in spans.get_finished_spans()}
    assert found["frame"].attributes["ship_deploy.reason"] == "refused: too small"
    assert found["fuse"].events[0].attributes["exception.message"] == "too small"


def test_a_span_that_begins_earlier(spans, monkeypatch):
    monkeypatch.setattr(tracing.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(tracing.time, "time_ns", lambda: 10**18)
    with tracing.span("frame", 97.5):
        pass
    assert spans.get_finished_spans()[0].start_time == 10**18 - 2_500_000_000


def test_only_a_camera_s_frame_begins_when_it_was_taken(monkeypatch, tmp_path):
    asked = []

    def span(name, begun=None):
        asked.append(begun)
        return nullcontext()

    monkeypatch.setattr(pipeline, "span", span)
    with Pipeline(ScriptedCamera("v", (16, 16, 3)), ScriptedCamera("i", (16, 16)), average) as live:
        result = next(iter(live))
    assert asked == [result.time]
    with Pipeline(*folders(tmp_path, 1), average) as files:
        assert len([*files]) == 1
    assert asked[1:] == [None]


def test_without_opentelemetry_there_are_none(monkeypatch):
    monkeypatch.setattr(tracing, "_tracer", None)
    with tracing.span("frame") as span:
        assert span is None


def test_the_command_is_traced_by_opentelemetry_s_own(model, tmp_path):
    folders(tmp_path, 2)
    program = Path(sys.executable).with_name("opentelemetry-instrument")
    command = [program, "--traces_exporter", "console", sys.executable, "-m", "ship_deploy"]
    output = ("v", "i", "-o", "fused", "--model", model, "--device", "cpu")
    none = ("--metrics_exporter", "none", "--logs_exporter", "none")
    result = subprocess.run(
        [command[0], *none, *command[1:], "stream", *output],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    text, found, end = result.stdout, [], 0
    while (begin := text.find("{\n", end)) >= 0:
        span, end = json.JSONDecoder().raw_decode(text, begin)
        found.append(span["name"])
    assert sorted(found) == ["frame", "frame", "fuse", "fuse", "prepare", "prepare"]
