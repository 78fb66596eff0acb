"""Boards that are simulated by the files in which a Jetson says what it is."""

from pathlib import Path

import pytest

from ship_deploy.cuda.jetson import Jetson, find_jetson

ORIN = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "proc/meminfo": "MemTotal:        7802228 kB\nMemFree:          100000 kB\n",
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.0, GCID: 1, BOARD: generic\n",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n"
    "< POWER_MODEL ID=1 NAME=25W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n",
    "var/lib/nvpmodel/status": "pmode:0001",
    "sys/class/devfreq/17000000.gpu/min_freq": "306000000\n",
    "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
}


def board(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_an_orin_with_jetpack_6(tmp_path):
    found = find_jetson(board(tmp_path, ORIN))
    assert found == Jetson(
        "NVIDIA Jetson Orin Nano Developer Kit", "36.4.0", "6", "25W", "2", False, 7802228 / 2**20
    )


def test_clocks_that_are_held(tmp_path):
    held = {"sys/class/devfreq/17000000.gpu/min_freq": "1020000000\n"}
    found = find_jetson(board(tmp_path, {**ORIN, **held}))
    assert found is not None and found.fixed_clocks is True


@pytest.mark.parametrize(
    ("line", "release", "jetpack"),
    [
        ("# R38 (release), REVISION: 2.0, GCID: 1", "38.2.0", "7"),
        ("# R35 (release), REVISION: 4.1, GCID: 1", "35.4.1", "5"),
        ("# R99 (release), REVISION: 0.1, GCID: 1", "99.0.1", ""),
    ],
)
def test_releases(tmp_path, line, release, jetpack):
    found = find_jetson(board(tmp_path, {**ORIN, "etc/nv_tegra_release": line}))
    assert found is not None and (found.release, found.jetpack) == (release, jetpack)


def test_a_container_without_the_files_of_the_host(tmp_path):
    found = find_jetson(board(tmp_path, {"proc/device-tree/model": "NVIDIA Jetson AGX Thor\0"}))
    assert found == Jetson("NVIDIA Jetson AGX Thor", "", "", "", "", None, None)


def test_other_computers(tmp_path):
    assert find_jetson(tmp_path) is None
    pi = board(tmp_path, {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"})
    assert find_jetson(pi) is None
