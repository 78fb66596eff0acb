"""A watch that records, is killed and runs out of disk: what is found again, by time.

Each picture carries the time at which it was made, as black and white fields. The command runs in a
mount namespace of its own, with a small disk.
"""

import bisect
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, record
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.results import Result
from ship_deploy.streams.recordings import VideoOutput, codecs
from ship_deploy.streams.recordings.index import Part, read_index
from training.scenes import render

RATE = 5  # pictures a second
SEGMENT = 60.0  # seconds
DISK = 16  # MB a minute, twice what the pictures take
RESTART = 1.0  # seconds after which a writer that was killed is started again
NEAR = 0.25  # seconds by which the picture that is shown may be older or newer
SHAPE = 240, 320
FIELDS = 4, 8  # of a picture, each a bit
COST = 250  # pictures whose encoding is measured
ROOT = Path(__file__).parents[2]
WRITER = "from benchmarks.streaming.watch import write; import sys; write(*sys.argv[1:])"
INSIDE = "from benchmarks.streaming.watch import watch; import sys; watch(*sys.argv[1:])"


@dataclass(frozen=True)
class Watch:
    """What became of the pictures.

    Attributes:
        minutes: that it ran.
        kills: writers killed by SIGKILL, every second one together with its encoder.
        full: how often the disk was full.
        written: pictures that writers made.
        found: of them, those that the index leads to: the file shows them at their time.
        wrong: of them, those in whose place another one is shown.
        lost_to_kills: seconds of pictures that are not there, shortly before a kill.
        most_to_a_kill: the most of them at one kill.
        lost_to_full_disks: the same, from when the disk was full until there was space again and
            the recording went on.
        lost_otherwise: any others.
        files: of the recording.
    """

    minutes: float
    kills: int
    full: int
    written: int
    found: int
    wrong: int
    lost_to_kills: float
    most_to_a_kill: float
    lost_to_full_disks: float
    lost_otherwise: float
    files: int


def write(pattern: str, log: str) -> None:
    """Record until killed; the log gets the time of every picture, and whether it was recorded."""
    output = VideoOutput(Path(pattern), float(RATE), segment=SEGMENT, live=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    noise = np.random.default_rng(os.getpid())
    due = time.monotonic()
    while True:
        time.sleep(max(0.0, due - time.monotonic()))
        due += 1 / RATE
        wall, moment = time.time(), time.monotonic()
        image = _mark(wall, noise)
        output.write(Result(image, None, None, False, "", moment, moment))
        os.write(file, f"{wall:.3f} {int(bool(output.problem))}\n".encode())


def watch(minutes: str, kills: str, fills: str, folder: str, result: str) -> None:
    """Run writers on a small disk, kill and fill, then look for all pictures; writes JSON."""
    place, length = Path(folder), float(minutes) * 60
    disk, log = place / "disk", place / "log"
    disk.mkdir()
    size = f"size={round(DISK * float(minutes))}m"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    chance, start = random.Random(0), time.monotonic()
    ends = [length * (n + chance.uniform(0.3, 0.7)) / int(kills) for n in range(int(kills))]
    full = [length * (n + 0.25) / int(fills) for n in range(int(fills))]
    pattern = str(disk / "watch-%H%M%S.mp4")
    killed: list[float] = []
    writer = _start(pattern, log)
    filled, blocked = 0, float("inf")
    while (now := time.monotonic() - start) < length:
        time.sleep(0.05)
        if len(killed) < len(ends) and now > ends[len(killed)]:
            children = Path(f"/proc/{writer.pid}/task/{writer.pid}/children").read_text().split()
            for child in children if len(killed) % 2 else []:
                os.kill(int(child), signal.SIGKILL)
            writer.kill()
            writer.wait()
            killed.append(time.time())
            time.sleep(RESTART)
            writer = _start(pattern, log)
        if filled < len(full) and now > full[filled] and blocked == float("inf"):
            blocked = now
        if blocked < float("inf"):
            if now < blocked + 15:
                _fill(disk / "ballast")
            else:
                (disk / "ballast").unlink()
                blocked, filled = float("inf"), filled + 1
    writer.kill()
    writer.wait()
    killed.append(time.time())
    time.sleep(2)  # encoders end
    VideoOutput(Path(pattern), live=True).close()  # as the next start does: it ends the index
    lines = [line.split() for line in log.read_text().splitlines() if line.count(" ") == 1]
    pictures = [(float(moment), bad == "1") for moment, bad in lines]
    parts = read_index(disk / "watch.jsonl")
    found = account(pictures, parts, killed, float(minutes), filled)
    Path(result).write_text(json.dumps(asdict(found)))


def account(
    pictures: list[tuple[float, bool]],
    parts: list[Part],
    killed: list[float],
    minutes: float,
    filled: int,
) -> Watch:
    """Look for every picture.

    Args:
        pictures: their times, and whether the recording said that it failed.
        parts: of the index.
        killed: when writers were; the last one is the end.
        minutes: that it ran.
        filled: how often the disk was full.
    """
    begins, codes = [part.begin for part in parts], cache(_codes)
    found = wrong = 0
    lost: list[tuple[float, bool]] = []
    for moment, bad in pictures:
        place = bisect.bisect(begins, moment + 0.001) - 1  # the index is in milliseconds
        offset = (moment - begins[place]) * RATE if place >= 0 else -1.0
        shown = codes(parts[place].path) if place >= 0 else []
        if offset < 0 or round(offset) >= len(shown):
            lost.append((moment, bad))
        elif abs((shown[round(offset)] - _code(moment)) / 10) <= NEAR:
            found += 1
        else:
            wrong += 1
    by_disk = _of_disks(pictures, lost)
    others = [moment for moment, bad in lost if (moment, bad) not in by_disk]
    each = [sum(end - 5 <= moment <= end for moment in others) for end in killed]
    by_kill = sum(each)
    return Watch(
        minutes=minutes,
        kills=len(killed) - 1,
        full=filled,
        written=len(pictures),
        found=found,
        wrong=wrong,
        lost_to_kills=by_kill / RATE,
        most_to_a_kill=max(each) / RATE,
        lost_to_full_disks=len(by_disk) / RATE,
        lost_otherwise=(len(lost) - len(by_disk) - by_kill) / RATE,
        files=len(parts),
    )


def _of_disks(
    pictures: list[tuple[float, bool]], lost: list[tuple[float, bool]]
) -> set[tuple[float, bool]]:
    """Those lost while the recording said that it failed, and in the five seconds before."""
    said = [moment for moment, bad in pictures if bad]
    return {
        (moment, bad)
        for moment, bad in lost
        if bad or any(moment <= each <= moment + 5 for each in said)
    }


def run(output: Path, minutes: float, kills: int, fills: int) -> str:
    """Watch, and write `watch.json` and `watch.md`.

    Returns:
        The Markdown table.

    Raises:
        UserError: this system has no mount namespaces for users; or pictures are shown at a wrong
            time, or were lost for no reason; the files are written first.
    """
    make_folder(output)
    with tempfile.TemporaryDirectory() as folder:
        numbers = [str(minutes), str(kills), str(fills), folder, f"{folder}/result.json"]
        inside = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", INSIDE]
        done = subprocess.run([*inside, *numbers], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise UserError(f"cannot record onto a small disk: {last}")
        found = Watch(**json.loads(Path(folder, "result.json").read_text()))
    content = {"machine": machine.describe(), "watch": asdict(found), "costs": measure_costs()}
    table = tabulate(content)
    record.write(output, "watch", content, table)
    if found.wrong or found.lost_otherwise:
        raise UserError(f"{found.wrong} pictures wrong, {found.lost_otherwise} s lost otherwise")
    return table


def measure_costs() -> list[dict[str, Any]]:
    """CPU time and bytes of a second of 480x640 at 25 pictures a second, of a drawn street."""
    street = render(0, 480, 640)[0]
    noise = np.random.default_rng(0)
    costs = []
    for codec in (codecs.find_codec(), codecs.FALLBACK):
        codecs.find_codec.cache_clear()
        codecs.H264, before = (codec,), codecs.H264  # type: ignore[assignment]
        with tempfile.TemporaryDirectory() as folder:
            codecs.find_codec()
            start = resource.getrusage(resource.RUSAGE_CHILDREN)
            video = VideoOutput(Path(folder, "o.mp4"))
            for number in range(COST):
                moved = np.roll(street, number // 2, axis=1).astype(np.int16)
                moved += noise.integers(-3, 4, moved.shape, np.int16)
                image = moved.clip(0, 255).astype(np.uint8)
                video.write(Result(image, None, None, False, "", number / 25, 0.0))
            video.close()
            end = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
            size = video.path.stat().st_size
        codecs.H264 = before
        codecs.find_codec.cache_clear()
        costs.append(
            {
                "codec": codec.name,
                "milliseconds": 1000 * used / COST,
                "megabytes_an_hour": size / COST * 25 * 3600 / 1e6,
            }
        )
    return costs


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown tables of a `watch.json`."""
    host, found = content["machine"], Watch(**content["watch"])
    lines = [
        f"{host['processor']}, {host['cores']} cores; {host['measured'][:10]}. "
        f"{found.minutes:.0f} minutes in real time, {RATE} pictures a second (240x320), a new file "
        f"every {SEGMENT:.0f} s; {found.kills} kills by SIGKILL, every second one together with "
        f"its encoder; the disk was full {found.full} times, for 15 s.\n",
        "| pictures | found at their time | another one shown | lost to kills | at one kill, most "
        "| lost to full disks | lost otherwise | files |",
        "|---|---|---|---|---|---|---|---|",
        f"| {found.written} | {found.found} ({found.found / found.written:.1%}) | {found.wrong} "
        f"| {found.lost_to_kills:.1f} s | {found.most_to_a_kill:.1f} s "
        f"| {found.lost_to_full_disks:.1f} s | {found.lost_otherwise:.1f} s | {found.files} |",
        "",
        "What encoding takes, of a drawn street with noise, 480x640 at 25 pictures a second:\n",
        "| encoder | CPU time a picture | an hour |",
        "|---|---:|---:|",
        *(
            f"| {cost['codec']} | {cost['milliseconds']:.1f} ms "
            f"| {cost['megabytes_an_hour'] / 1000:.2f} GB |"
            for cost in content["costs"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _start(pattern: str, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, pattern, str(log)], cwd=ROOT)


def _fill(path: Path) -> None:
    """Take all space that is left."""
    with path.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return


def _code(moment: float) -> int:
    """Tenths of a second, as many bits as there are fields."""
    return int(moment * 10) % (1 << FIELDS[0] * FIELDS[1])


def _mark(moment: float, noise: np.random.Generator) -> NDArray[np.uint8]:
    code = _code(moment)
    bits = [code >> n & 1 for n in range(FIELDS[0] * FIELDS[1])]
    fields = np.array(bits, np.uint8).reshape(FIELDS) * 140 + 50
    image = fields.repeat(SHAPE[0] // FIELDS[0], 0).repeat(SHAPE[1] // FIELDS[1], 1)
    grain = noise.integers(0, 16, (*SHAPE, 3), np.uint8)
    return np.asarray(image[..., None] + grain, np.uint8)


def _codes(path: Path) -> list[int]:
    video, codes = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (read := video.read())[0]:
        grey = cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, FIELDS[::-1], interpolation=cv2.INTER_AREA)
        codes.append(sum(int(bit) << n for n, bit in enumerate((small > 125).ravel())))
    return codes
