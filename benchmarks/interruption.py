"""What becomes of commands that are ended at any moment: by kill -9, SIGTERM or an interrupt.

A command is started again and again and ended after a random time, from the start of the process
on to a little after its usual end. Then no file under a final name may be damaged. A command that
was told to end, by a signal that can be heard, has to do so soon and without a traceback. The last
run is left alone, and has to clear away what the others left.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, record
from ship_deploy.artifact import read_artifact
from ship_deploy.engines.passport import passport_path, read_whole
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.geometry.calibration import read_calibration
from ship_deploy.images import read_visible, write_png
from training.checkpoints import load_network
from training.scenes import render

SOON = 2.0  # seconds that a command may take to end
LEAST = 20  # pairs that `fuse` works on, so that there are moments of writing to meet
COMMAND = [sys.executable, "-m", "ship_deploy"]
SAVING = """
import sys
from pathlib import Path
from ship_deploy.files import make_folder
from training.checkpoints import save_network
from training import networks
make_folder(Path(sys.argv[1]))  # as a training run does
network = networks.find("compact").module()
for number in range(10):
    save_network(network, Path(sys.argv[1]) / f"{number % 3}.safetensors", step=str(number))
"""
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}


@dataclass
class Outcome:
    """What became of the runs of one command that were ended in one way.

    Attributes:
        command: its name.
        how: how it was ended.
        times: how often.
        damaged: files under a final name that could not be read afterwards.
        unfinished: runs that left a file of another name behind.
        left: such files after a run that was left alone.
        tracebacks: runs that printed one, from the package's first line on.
        early: runs that printed one before that, of Python's own start.
        late: runs that ended more than two seconds after they were told.
        slowest: seconds from the signal to the end, the longest.
    """

    command: str
    how: str
    times: int = 0
    damaged: int = 0
    unfinished: int = 0
    left: int = 0
    tracebacks: int = 0
    early: int = 0
    late: int = 0
    slowest: float = 0.0


def commands(folder: Path) -> dict[str, list[str]]:
    """Commands that write, with what they work on; each writes into a folder called OUTPUT."""
    for side, name in enumerate(("visible", "infrared", "frames")):
        make_folder(folder / name)
        for number in range(LEAST):
            picture = render(number % 4, 96, 128)[min(side, 1)]
            counts = picture.astype(np.uint16) * 20 + number if name == "frames" else picture
            write_png(folder / name / f"{number:03}.png", counts)
    points = "infrared_x,infrared_y,visible_x,visible_y\n"
    points += "".join(f"{x},{y},{x},{y}\n" for x in (5, 60, 120) for y in (5, 50, 90))
    (folder / "points.csv").write_text(points)
    both = [str(folder / "visible"), str(folder / "infrared")]
    fuse = [*COMMAND, "fuse", *both, "-o", "OUTPUT", "--model", "ship-t", "--threads", "1"]
    return {
        "fuse": [*fuse, "--report", "OUTPUT/page.html"],
        "calibrate": [
            *(*COMMAND, "calibrate", *both, "-o", "OUTPUT/rig.json"),
            *("--points", str(folder / "points.csv")),
        ],
        "find-dead-pixels": [
            *(*COMMAND, "find-dead-pixels", str(folder / "frames"), "-o", "OUTPUT/dead.png")
        ],
        "build": [
            *(*COMMAND, "build", "ship-t", "-o", "OUTPUT/a.engine", "--flavour", "tensorrt-rtx"),
            *("--compute-capability", "8.6", "--max", "64x64", "--opt", "64x64"),
        ],
        "stream": [
            *COMMAND,
            "stream",
            *both,
            "-o",
            "OUTPUT",
            "--model",
            "ship-t",
            "--threads",
            "1",
        ],
        "checkpoints": [sys.executable, "-c", SAVING, "OUTPUT"],
    }


def is_whole(path: Path) -> bool:
    """Whether a file that a command finished can be read."""
    readers: dict[str, Callable[[Path], Any]] = {
        ".png": read_visible,
        ".jpg": read_visible,
        ".json": read_calibration,
        ".onnx": read_artifact,
        ".engine": read_whole,
        ".safetensors": load_network,
        ".html": lambda page: page.read_text("utf-8").index("</html>"),
    }
    if path.name.endswith(".engine.json"):
        return True  # read with its engine
    if path.suffix == ".engine" and not passport_path(path).exists():
        return True  # the passport is written last; without it the engine is refused
    try:
        readers[path.suffix](path)
    except (UserError, ValueError):
        return False
    return True


def end(name: str, command: Sequence[str], how: str, times: int, seed: int) -> Outcome:
    """Start a command and end it, `times` times."""
    outcome, chance = Outcome(name, how), random.Random(f"{name} {how} {seed}")
    with tempfile.TemporaryDirectory() as output:
        words = [word.replace("OUTPUT", output) for word in command]
        begun = time.monotonic()
        subprocess.run(words, capture_output=True, check=True)
        usual = time.monotonic() - begun
        for _ in range(times):
            _end_once(words, chance.random() * usual * 1.05, outcome)
            found = [path for path in Path(output).rglob("*") if path.is_file()]
            hidden = [path for path in found if path.name.startswith(".")]
            outcome.unfinished += bool(hidden)
            outcome.damaged += sum(not is_whole(path) for path in set(found) - set(hidden))
        subprocess.run(words, capture_output=True, check=True)
        outcome.left = len([path for path in Path(output).rglob(".*") if path.is_file()])
    return outcome


def _end_once(words: Sequence[str], moment: float, outcome: Outcome) -> None:
    with subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        time.sleep(moment)
        told = time.monotonic()
        if process.poll() is None:
            process.send_signal(SIGNALS[outcome.how])
        errors = process.communicate()[1]
    took = time.monotonic() - told
    outcome.times += 1
    if "Traceback" in errors:
        early = "init_import_site" in errors  # where Python looks for installed packages
        outcome.early += early
        outcome.tracebacks += not early
    outcome.late += took > SOON
    outcome.slowest = max(outcome.slowest, took)


def run(output: Path, kills: int, signals: int, seed: int = 0) -> str:
    """End commands in each way, and write `interruption.json` and `interruption.md`.

    Args:
        output: a folder.
        kills: how many runs to kill, shared out among the commands.
        signals: the same for SIGTERM, and again for interrupts.
        seed: of the moments.

    Returns:
        The Markdown table.

    Raises:
        UserError: a file was damaged; the files are written first.
    """
    make_folder(output)
    with tempfile.TemporaryDirectory() as folder:
        known = commands(Path(folder))
        jobs = [(name, "kill", -(-kills // len(known))) for name in known]
        told = [name for name in known if name != "checkpoints"]  # which is no command of ours
        jobs += [(n, how, -(-signals // len(told))) for n in told for how in ("term", "interrupt")]
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(
                pool.map(lambda job: end(job[0], known[job[0]], job[1], job[2], seed), jobs)
            )
    content = {"machine": machine.describe(), "outcomes": [asdict(each) for each in outcomes]}
    table = tabulate(content)
    record.write(output, "interruption", content, table)
    if any(outcome.damaged for outcome in outcomes):
        raise UserError("a file under a final name was damaged")
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of an `interruption.json`."""
    host = content["machine"]
    lines = [
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}.\n",
        "| Command | Ended by | Times | Damaged files | Runs that left half a file | ... after the "
        "next run | Tracebacks | ... of Python's own start | Later than 2 s | Slowest |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for each in content["outcomes"]:
        slowest = "" if each["how"] == "kill" else f"{each['slowest']:.2f} s"
        keys = ("times", "damaged", "unfinished", "left", "tracebacks", "early", "late")
        cells = [each["command"], each["how"], *(each[key] for key in keys), slowest]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"
