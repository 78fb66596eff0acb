import os
from pathlib import Path

import pytest

from ship_deploy import processors

CORES = 16


@pytest.fixture
def container(monkeypatch, tmp_path):
    """Writes what the files of control groups hold; sets the cores that the scheduler gives."""

    def write(groups: str, **limits: str) -> None:
        monkeypatch.setattr(processors, "_ROOT", tmp_path)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(CORES)))
        for name, text in limits.items():
            path = tmp_path / name.replace("__", "/").replace("cpu_", "cpu.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        real = Path.read_text
        monkeypatch.setattr(
            Path,
            "read_text",
            lambda path: groups if path == Path("/proc/self/cgroup") else real(path),
        )

    return write


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("", {}, CORES),
        ("0::/\n", {}, CORES),
        ("0::/\n", {"cpu_max": "max 100000"}, CORES),
        ("0::/\n", {"cpu_max": "100000 100000"}, 1),
        ("0::/\n", {"cpu_max": "250000 100000"}, 2),
        ("0::/\n", {"cpu_max": "50000 100000"}, 1),  # less than one is one
        ("0::/\n", {"cpu_max": "9900000 100000"}, CORES),
        ("0::/\n", {"cpu_max": "nonsense"}, CORES),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000", "a__cpu_max": "300000 100000"}, 3),
        ("0::/host/path\n", {"cpu_max": "400000 100000"}, 4),
        (
            "5:memory:/\n4:cpu,cpuacct:/a\n0::/\n",
            {"cpu__a__cpu_cfs_quota_us": "200000", "cpu__a__cpu_cfs_period_us": "100000"},
            2,
        ),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu__cpu_cfs_quota_us": "-1", "cpu__cpu_cfs_period_us": "100000"},
            CORES,
        ),
    ],
)
def test_a_quota_of_the_container_counts(container, groups, limits, expected):
    container(groups, **limits)
    assert processors.usable_processors() == expected
