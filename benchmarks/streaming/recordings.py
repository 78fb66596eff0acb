"""What is left of a recording whose process is killed, or whose disk fills up."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from benchmarks import machine, record
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.streams.recordings.codecs import FORMATS

RATE = 25  # pictures per second, of 240x320 with noise
MOMENTS = 0.5, 6.0  # seconds of pictures after which a writer is killed
PATIENCE = 60.0  # seconds that an encoder may take to end, on a machine that is busy
MOST_LOST = 3.0  # seconds
DISKS = [64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072]  # KiB
PICTURES = 150  # that are written to each disk, more than it holds
AT_ONCE = 4
# Writes pictures until it is killed, or a number of them; prints how many went out, then, for a
# number, what the recording said of itself and how many pictures play.
WRITER = """
import json, logging, sys, time
from pathlib import Path
import numpy as np
from benchmarks.streaming.recordings import RATE, playable
from ship_deploy.errors import UserError
from ship_deploy.results import Result
from ship_deploy.streams import VideoOutput

path, most = Path(sys.argv[1]), int(sys.argv[2])
said = []
handler = logging.Handler()
handler.emit = said.append
logging.getLogger("ship_deploy.streams").addHandler(handler)
noise = np.random.default_rng(0)
pictures = [noise.integers(100, 156, (240, 320, 3), np.uint8) for _ in range(20)]
output = VideoOutput(path, float(RATE), live=True)
start, number, good = time.monotonic(), 0, 0
while number < (most or sys.maxsize):
    if not most:
        time.sleep(max(0.0, start + number / RATE - time.monotonic()))
    picture = pictures[number % 20]
    output.write(Result(picture, None, None, False, "", number / RATE, 0.0))
    number += 1
    good += not output.problem
    if not most:
        print(number, flush=True)
try:
    output.close()
    problem = ""
except UserError as error:
    problem = str(error)
found = {"accepted": number, "before": good, "said": len(said), "problem": problem}
print(json.dumps({**found, "plays": playable(path)}))
"""


@dataclass(frozen=True)
class Kills:
    """Writers that were killed, by SIGKILL, in one format.

    Attributes:
        format: the suffix.
        kills: how many; at every second one, the encoder was killed at the same moment.
        plays: files of them that play.
        lost_median: seconds that were written and do not play, the median.
        lost_max: the most.
    """

    format: str
    kills: int
    plays: int
    lost_median: float
    lost_max: float


@dataclass(frozen=True)
class Full:
    """One disk that filled up.

    Attributes:
        format: the suffix.
        size: KiB of the disk.
        accepted: pictures that the output took, before and after: the stream went on.
        before: of them, before the disk was full.
        plays: pictures that play.
        said: lines in the log.
        problem: what the output said at its end.
    """

    format: str
    size: int
    accepted: int
    before: int
    plays: int
    said: int
    problem: str


def playable(path: Path) -> int:
    """Pictures of a video that can be decoded."""
    video, count = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), 0
    while video.grab():
        count += 1
    return count


def kill(path: Path, pictures: int, late: float, encoder: bool) -> tuple[int, int]:
    """Kill a writer `late` seconds after it wrote so many pictures; the encoder too, or let it end.

    Returns:
        How many pictures were written, and how many play.
    """
    command = [sys.executable, "-c", WRITER, str(path), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        while int(writer.stdout.readline()) < pictures:
            pass
        time.sleep(late)
        listed = Path(f"/proc/{writer.pid}/task/{writer.pid}/children").read_text().split()
        if encoder:
            subprocess.run(["kill", "-KILL", *listed], check=True)
        writer.kill()
        written = int((writer.stdout.read().split() or [str(pictures)])[-1])
    until = time.monotonic() + PATIENCE
    while any(_runs(child) for child in listed) and time.monotonic() < until:
        time.sleep(0.02)
    return written, playable(path)


def measure_kills(folder: Path, count: int, formats: Sequence[str] = tuple(FORMATS)) -> list[Kills]:
    """Kill `count` writers at random moments, in all formats in turn."""
    chance = random.Random(0)
    jobs = []
    for number in range(count):
        path = folder / f"{number}{formats[number % len(formats)]}"
        pictures, late = divmod(chance.uniform(*MOMENTS) * RATE, 1)
        jobs.append((path, int(pictures), late / RATE, number // len(formats) % 2 == 1))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda job: kill(*job), jobs))
    kills = []
    for place, suffix in enumerate(formats):
        lost = sorted((w - p) / RATE for w, p in found[place :: len(formats)])
        plays = sum(p > 0 for _, p in found[place :: len(formats)])
        kills.append(Kills(suffix, len(lost), plays, lost[len(lost) // 2], lost[-1]))
    return kills


def fill(suffix: str, size: int) -> Full:
    """Record onto a disk of `size` KiB, in a mount namespace of its own.

    Raises:
        UserError: this system has none for users.
    """
    with tempfile.TemporaryDirectory() as folder:
        mount = f'mount -t tmpfs -o size={size}k tmpfs "$0" && exec "$@"'
        inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, folder]
        command = [sys.executable, "-c", WRITER, f"{folder}/o{suffix}", str(PICTURES)]
        done = subprocess.run([*inside, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"cannot record onto a small disk: {done.stderr.strip()}")
    return Full(suffix, size, **json.loads(done.stdout.splitlines()[-1]))


def run(output: Path, count: int) -> str:
    """Kill and fill; write `recordings.json` and `recordings.md`.

    Returns:
        The Markdown table.

    Raises:
        UserError: too much was lost; the files are written first.
    """
    make_folder(output)
    with tempfile.TemporaryDirectory() as folder:
        kills = measure_kills(Path(folder), count)
    full = [fill(suffix, size) for suffix in FORMATS for size in DISKS]
    content = {
        "machine": machine.describe(),
        "kills": [asdict(each) for each in kills],
        "full": [asdict(each) for each in full],
    }
    table = tabulate(content)
    record.write(output, "recordings", content, table)
    check(kills, full)
    return table


def check(kills: Sequence[Kills], full: Sequence[Full]) -> None:
    """Raise a UserError if recordings did not survive as they should."""
    for each in kills:
        if each.plays < each.kills or each.lost_max > MOST_LOST:
            raise UserError(
                f"{each.format}: {each.plays} of {each.kills} killed recordings play, and up to "
                f"{each.lost_max:.1f} s are lost"
            )
    for disk in full:
        if disk.accepted < PICTURES or disk.said != 1 or "No space left" not in disk.problem:
            raise UserError(f"{disk.format} on {disk.size} KiB: {disk}")


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown tables of a `recordings.json`."""
    host = content["machine"]
    kills = sum(each["kills"] for each in content["kills"])
    lines = [
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}. {kills} writers of "
        f"{RATE} pictures a second (240x320, noise), killed by SIGKILL after {MOMENTS[0]} to "
        f"{MOMENTS[1]:.0f} s; half of them together with their encoder. Disks of "
        f"{DISKS[0]} to {DISKS[-1]} KiB, onto which {PICTURES} pictures are written.\n",
        "| format | killed | play | lost, median | lost, most | full disks | streams that went on "
        "| warnings each | lost before the disk was full, most |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in content["kills"]:
        disks = [disk for disk in content["full"] if disk["format"] == each["format"]]
        went_on = sum(disk["accepted"] == PICTURES for disk in disks)
        said = sorted({disk["said"] for disk in disks})
        lost = max(disk["before"] - disk["plays"] for disk in disks)
        lines.append(
            f"| {each['format']} | {each['kills']} | {each['plays']} "
            f"| {each['lost_median']:.2f} s | {each['lost_max']:.2f} s | {len(disks)} | {went_on} "
            f"| {', '.join(map(str, said))} | {lost} pictures |"
        )
    return "\n".join(lines) + "\n"


def _runs(process: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
