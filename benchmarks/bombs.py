"""Image files of a few bytes that a decoder makes gigabytes of: what it costs to be given one.

Each is read in a process of its own, by this checkout and by an older one to compare with.
"""

import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import machine, record
from ship_deploy.files import make_folder

LONGEST = 120.0  # seconds, after which a reading is ended
MEMORY = 12 << 30  # bytes that a process may ask for
READ = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
from ship_deploy.errors import UserError
from ship_deploy.images import read_visible
import time
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
try:
    read_visible(Path(sys.argv[1]))
    said = "read"
except UserError:
    said = "refused"
except MemoryError:
    said = "out of memory"
seconds = time.perf_counter() - began
print(said, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@dataclass
class Reading:
    """What became of a file.

    Attributes:
        file: what kind of file.
        length: bytes of it.
        checkout: "now" or "before".
        said: "refused", "read", "out of memory", or "ended" after two minutes.
        seconds: that it took, without imports.
        memory: bytes by which the most that the process held grew.
    """

    file: str
    length: int
    checkout: str
    said: str
    seconds: float
    memory: int


def bombs() -> dict[str, bytes]:
    """A file of each format, by its name."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    side = 32_000  # just within what OpenCV takes: 1 Gpixel
    sign, end = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
    black = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes((1 + side // 8) * side)))
    small = chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 16, 16, 0, 0, 0, 0))
    # 8 bits a pixel by a palette, in runs, of which there is none.
    bitmap = struct.pack("<2sIII", b"BM", 1080, 0, 1078)
    bitmap += struct.pack("<IiiHHIIiiII", 40, 26_000, 26_000, 1, 8, 1, 0, 0, 0, 0, 0)
    tiny = np.zeros((16, 16, 3), np.uint8)
    webp = bytearray(cv2.imencode(".webp", tiny, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes())
    struct.pack_into("<I", webp, 21, (1 << 28) - 1)
    jpeg = bytearray(cv2.imencode(".jpg", tiny)[1].tobytes())
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, side, side)
    return {
        "PNG of 32,000 pixels a side": sign + black + rows + end,
        "PNG whose end says 4 GB": sign + small + b"\xff\xff\xff\xffIEND" + bytes(4),
        "BMP of 26,000 pixels a side": bitmap + bytes(1024) + b"\0\1",
        "JPEG of 32,000 pixels a side": bytes(jpeg),
        "WebP of 16,384 pixels a side": bytes(webp),
    }


def read(checkout: str, tree: Path, name: str, content: bytes) -> Reading:
    """Give a file to the code in a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        path.write_bytes(content)
        began = time.perf_counter()
        try:
            printed = subprocess.run(
                [sys.executable, "-c", READ.format(memory=MEMORY), path],
                cwd=tree,
                env={**os.environ, "PYTHONPATH": str(tree), "OPENCV_LOG_LEVEL": "SILENT"},
                capture_output=True,
                text=True,
                timeout=LONGEST,
            ).stdout
        except subprocess.TimeoutExpired:
            seconds = time.perf_counter() - began
            return Reading(name, len(content), checkout, "ended", seconds, 0)
    *said, took, grew = printed.split()
    return Reading(name, len(content), checkout, " ".join(said), float(took), int(grew) * 1024)


def run(output: Path, before: Path | None) -> str:
    """Read all of them; write `bombs.json` and `bombs.md`.

    Args:
        output: a folder.
        before: an older checkout, or None.

    Returns:
        The Markdown table.
    """
    make_folder(output)
    trees = {"before": before, "now": Path(__file__).parents[1]}
    readings = [
        read(checkout, tree, name, content)
        for name, content in bombs().items()
        for checkout, tree in trees.items()
        if tree is not None
    ]
    content = {"machine": machine.describe(), "readings": [asdict(each) for each in readings]}
    table = tabulate(content)
    record.write(output, "bombs", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """The Markdown table of a `bombs.json`."""
    lines = [f"{content['machine']['processor']}; {content['machine']['measured'][:10]}.\n"]
    lines += ["| File | Bytes | | Outcome | Time | Memory |", "|---|--:|---|---|--:|--:|"]
    for each in content["readings"]:
        cells = [each["file"], f"{each['length']:,}", each["checkout"], each["said"]]
        cells += [f"{each['seconds']:.3f} s", f"{each['memory'] / 1e6:,.0f} MB"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
