"""Files of measurements: read, compared, and in a table."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from ship_deploy.bench.records import (
    FUSE,
    Measurement,
    as_csv,
    compare,
    heading,
    markdown,
    new_record,
    read_record,
    rows,
)
from ship_deploy.errors import UserError

NOISE = np.random.default_rng(0)


def measurement(scale=1.0, rounds=100, **changes):
    samples = (0.02 * scale * NOISE.normal(1, 0.01, rounds)).tolist()
    made = Measurement(FUSE, "ship-s", "d", "fp32", "onnxruntime", "cpu", 2, "480x640", 5, samples)
    return replace(made, **changes)


def test_a_file_is_read_as_it_was_written(tmp_path):
    record = new_record("the robot", [50.0, 90.0], [measurement(watts={"RAPL": 15.0})])
    (tmp_path / "a.json").write_bytes(record.content())
    assert read_record(tmp_path / "a.json") == record
    assert int(record.machine["cores"]) >= 1 and record.machine["processor"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"results": [{}]},
        {"results": 3},
        {"more": 1},
        {"samples": []},
        {"samples": [0.1, -1]},
        {"samples": "x"},
    ],
)
def test_other_files_are_refused(tmp_path, change):
    content = json.loads(new_record(None, [50.0], [measurement()]).content())
    target = content["results"][0] if "samples" in change else content
    target.update(change)
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="not a file of ship-deploy bench"):
        read_record(tmp_path / "a.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_record(tmp_path / "none.json")


def test_what_has_changed_and_what_is_not_told_apart():
    settings = [{"threads": 1}, {"threads": 2}, {"threads": 3}]
    before = [measurement(1.0, **s) for s in settings]
    after = [measurement(by, **s) for by, s in zip((1.3, 1.0, 0.8), settings, strict=True)]
    after.append(measurement(9.0, size="16x16"))  # not in the other file
    changes = compare(new_record("a", [50.0], before), new_record("b", [50.0, 90.0], after))
    assert [change.verdict() for change in changes] == ["slower", "not told apart", "faster"]
    assert changes[0].value == pytest.approx(1.3, abs=0.02)
    assert changes[0].low < changes[0].value < changes[0].high


def test_files_without_a_common_setting():
    with pytest.raises(UserError, match="no setting in common"):
        compare(
            new_record("a", [50.0], [measurement()]),
            new_record("b", [50.0], [measurement(threads=1)]),
        )


def test_one_table_of_several_machines():
    records = [
        new_record("jetson", [50.0], [measurement(rounds=20, watts={"a": 4.0, "b": 9.0})]),
        new_record("a|b", [50.0, 90.0], [measurement(celsius={"c": 61.4}, rate=24.9)]),
    ]
    heads, lines = heading([50.0, 90.0]), list(rows(records))
    assert [line[0] for line in lines] == ["jetson", "a|b"]
    assert lines[0][7:] == ["-", lines[0][8], "9", "-"]  # 20 rounds tell no p90
    assert lines[1][8:] == ["24.9", "-", "61"] and lines[1][7].startswith("20.")
    assert {line.count(" | ") for line in markdown(heads, lines).splitlines()} == {len(heads) - 1}
    assert list(csv.reader(as_csv(heads, lines).splitlines())) == [heads, *lines]
