"""Power and temperature, where the machine tells them."""

import contextlib
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PERIOD = 1.0  # seconds between looks
SYSTEM = Path("/sys")
_NVIDIA = "nvidia-smi --query-gpu=power.draw,temperature.gpu --format=csv,noheader,nounits"


@dataclass(frozen=True)
class Readings:
    """What sensors said during a measurement.

    Attributes:
        watts: sensor -> mean power: "RAPL package-0", "hwmon NAME LABEL", "NVML".
        celsius: sensor -> highest temperature.
    """

    watts: dict[str, float]
    celsius: dict[str, float]


class Sensors:
    """Reads all sensors while a block runs; a context manager.

    They are RAPL (Intel's and AMD's counters of energy, often readable by root only), the kernel's
    hwmon (mainboards, Jetson's INA3221 rails) and thermal zones, and NVML by `nvidia-smi`.

    Args:
        system: where the kernel shows them.

    Attributes:
        readings: after the block.
    """

    def __init__(self, system: Path = SYSTEM) -> None:
        self._system = system
        self._powers: defaultdict[str, list[float]] = defaultdict(list)
        self._temperatures: defaultdict[str, list[float]] = defaultdict(list)
        self._ended = threading.Event()
        self._nvidia = shutil.which("nvidia-smi") is not None
        self.readings = Readings({}, {})

    def __enter__(self) -> "Sensors":
        self._start, self._energy = time.monotonic(), self._rapl()
        self._thread = threading.Thread(target=self._watch, name="sensors", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        passed, energy = time.monotonic() - self._start, self._rapl()
        watts = {}
        for name, (after, most) in energy.items():
            if name in self._energy:
                used = (after - self._energy[name][0]) % most if most else 0
                watts[f"RAPL {name}"] = used / 1e6 / passed
        watts |= {name: sum(found) / len(found) for name, found in self._powers.items()}
        self.readings = Readings(watts, {n: max(found) for n, found in self._temperatures.items()})

    def _watch(self) -> None:
        while True:
            self._look()
            if self._ended.wait(PERIOD):
                return

    def _look(self) -> None:
        for zone in (self._system / "class" / "thermal").glob("thermal_zone*"):
            name, value = _text(zone / "type"), _number(zone / "temp")
            if value is not None:
                self._temperatures[name or zone.name].append(value / 1000)
        for chip in (self._system / "class" / "hwmon").glob("hwmon*"):
            self._look_at(chip)
        if self._nvidia:
            self._ask_nvidia()

    def _look_at(self, chip: Path) -> None:
        name = _text(chip / "name")
        for sensor in chip.glob("temp*_input"):
            if (value := _number(sensor)) is not None:
                self._temperatures[f"hwmon {name} {_label(sensor)}"].append(value / 1000)
        for sensor in chip.glob("power*_input"):
            if (value := _number(sensor)) is not None:
                self._powers[f"hwmon {name} {_label(sensor)}"].append(value / 1e6)
        if name == "ina3221":  # Jetson's rails: millivolts and milliamperes
            for sensor in chip.glob("curr*_input"):
                volts = sensor.with_name(sensor.name.replace("curr", "in"))
                value, by = _number(sensor), _number(volts)
                if value is not None and by is not None:
                    self._powers[f"hwmon {name} {_label(volts)}"].append(value * by / 1e6)

    def _ask_nvidia(self) -> None:
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            said = subprocess.run(
                _NVIDIA.split(), capture_output=True, text=True, timeout=5, check=False
            )
            for line in said.stdout.splitlines()[:1]:
                power, temperature = map(float, line.split(","))
                self._powers["NVML"].append(power)
                self._temperatures["NVML"].append(temperature)

    def _rapl(self) -> dict[str, tuple[int, int]]:
        """Domain -> microjoules so far, and at how many the counter begins anew."""
        found = {}
        for domain in (self._system / "class" / "powercap").glob("*-rapl:*"):
            energy, most = _number(domain / "energy_uj"), _number(domain / "max_energy_range_uj")
            if energy is not None:
                found[_text(domain / "name") or domain.name] = int(energy), int(most or 0)
        return found


def _label(sensor: Path) -> str:
    label = sensor.with_name(sensor.name.replace("_input", "_label"))
    return _text(label) or sensor.name.removesuffix("_input")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None
