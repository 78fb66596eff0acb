"""Power and temperature, from a tree of files as the kernel shows it."""

import pytest

from ship_deploy.bench import sensors
from ship_deploy.bench.sensors import Sensors


def write(root, **files):
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


@pytest.fixture
def system(tmp_path, monkeypatch):
    monkeypatch.setattr(sensors.shutil, "which", lambda name: None)
    zone, chip = tmp_path / "class/thermal/thermal_zone0", tmp_path / "class/hwmon/hwmon0"
    write(zone, type="cpu-thermal", temp=51500)
    write(chip, name="ina3221", in1_label="VDD_CPU", in1_input=5000, curr1_input=400)
    write(tmp_path / "class/hwmon/hwmon1", name="k10temp", temp1_input=61000, temp1_label="Tctl")
    write(tmp_path / "class/hwmon/hwmon2", name="bmc", power1_input=2_000_000, temp1_input="?")
    rapl = tmp_path / "class/powercap/intel-rapl:0"
    write(rapl, name="package-0", energy_uj=900, max_energy_range_uj=1000)
    return tmp_path


def test_what_each_kind_of_sensor_says(system, monkeypatch):
    moments = iter([100.0, 102.0])
    monkeypatch.setattr(sensors.time, "monotonic", lambda: next(moments))
    with Sensors(system) as found:
        write(system / "class/powercap/intel-rapl:0", energy_uj=100)  # the counter began anew
    assert found.readings.watts == {
        "RAPL package-0": pytest.approx(200 / 1e6 / 2),
        "hwmon ina3221 VDD_CPU": pytest.approx(2.0),
        "hwmon bmc power1": pytest.approx(2.0),
    }
    assert found.readings.celsius == {"cpu-thermal": 51.5, "hwmon k10temp Tctl": 61.0}


def test_a_machine_that_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sensors.shutil, "which", lambda name: None)
    with Sensors(tmp_path) as found:
        pass
    assert found.readings.watts == found.readings.celsius == {}
