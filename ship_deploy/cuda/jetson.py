"""What a Jetson says of itself: the board, its JetPack, and how fast it is allowed to be."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
JETPACK = {35: "5", 36: "6", 38: "7"}  # release of Jetson Linux (L4T) -> JetPack
OLDEST = 6  # JetPack with TensorRT 10.3


@dataclass(frozen=True)
class Jetson:
    """A Jetson; a text is "" and a flag None where the board does not tell.

    Attributes:
        model: "NVIDIA Jetson Orin Nano Developer Kit".
        release: of Jetson Linux, "36.4.0".
        jetpack: "6".
        mode: name of the power mode, "15W".
        unlimited: number of the mode without a power limit, MAXN or MAXN_SUPER, such as "2".
        fixed_clocks: whether the GPU's clock is held at its highest, as `jetson_clocks` does.
        memory: GiB that CPU and GPU share.
    """

    model: str
    release: str
    jetpack: str
    mode: str
    unlimited: str
    fixed_clocks: bool | None
    memory: float | None


def find_jetson(root: Path = ROOT) -> Jetson | None:
    """The Jetson that this is; None on any other computer.

    Args:
        root: folder that stands for `/`.
    """
    model = _text(root / "proc/device-tree/model").rstrip("\0")
    release = re.match(
        r"# R(\d+) \(release\), REVISION: ([\d.]+)", _text(root / "etc/nv_tegra_release")
    )
    if release is None and "Jetson" not in model:
        return None
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return Jetson(
        model or "Jetson",
        f"{release[1]}.{release[2]}" if release else "",
        JETPACK.get(int(release[1]), "") if release else "",
        *_modes(root),
        _fixed_clocks(root),
        int(memory[1]) / 2**20 if memory else None,
    )


def _modes(root: Path) -> tuple[str, str]:
    """The power mode by the number that nvpmodel keeps, and the number of MAXN or MAXN_SUPER."""
    said = _text(root / "etc/nvpmodel.conf")
    names = dict(re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>", said))
    unlimited = next((number for number, name in names.items() if name.startswith("MAXN")), "")
    found = re.search(r"pmode:(\d+)", _text(root / "var/lib/nvpmodel/status"))
    number = str(int(found[1])) if found else ""
    return names.get(number, number), unlimited


def _fixed_clocks(root: Path) -> bool | None:
    for device in sorted((root / "sys/class/devfreq").glob("*gpu*")):
        lowest, highest = (_text(device / name).strip() for name in ("min_freq", "max_freq"))
        if lowest and highest:
            return lowest == highest
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
