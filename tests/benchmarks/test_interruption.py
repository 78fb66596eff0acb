"""The harness notices what it is there to notice."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bombs, fuzzing, interruption
from benchmarks.interruption import end, is_whole
from ship_deploy.images import write_png

HALF = """
import sys, time
from pathlib import Path
for name in ("a.html", ".b.0123456789abcdef.part"):
    with (Path(sys.argv[1]) / name).open("w") as file:
        file.write("<html>")
        file.flush()
        time.sleep(0.3)
        file.write("</html>")
"""


def test_a_command_that_writes_in_place_is_found_out():
    outcome = end("bad", [sys.executable, "-c", HALF, "OUTPUT"], "kill", 12, 0)
    assert outcome.times == 12 and outcome.damaged and outcome.unfinished and outcome.left


def test_a_traceback_is_counted():
    code = "import time\ntime.sleep(0.5)"
    outcome = end("loud", [sys.executable, "-c", code], "interrupt", 6, 0)
    assert outcome.tracebacks + outcome.early and not outcome.damaged


@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_what_is_whole(tmp_path, kept):
    write_png(tmp_path / "a.png", np.zeros((32, 32), np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: int(kept * len(content))])
    assert is_whole(tmp_path / "a.png") == (kept == 1)


def test_bombs_are_small_and_refused_here():
    made = bombs.bombs()
    assert all(len(content) < 200_000 for content in made.values())
    name, content = "PNG whose end says 4 GB", made["PNG whose end says 4 GB"]
    reading = bombs.read("now", Path(bombs.__file__).parents[1], name, content)
    assert reading.said == "refused" and reading.length == 45


def test_tables():
    host = {"processor": "p", "cores": "2", "measured": "2026-11-26T00:00"}
    outcome = vars(interruption.Outcome("fuse", "term", 3, slowest=0.25))
    table = interruption.tabulate({"machine": host, "outcomes": [outcome]})
    assert table.splitlines()[-1] == "| fuse | term | 3 | 0 | 0 | 0 | 0 | 0 | 0 | 0.25 s |"
    targets = [{"target": n, "inputs": 1000, "findings": f} for n, f in (("a", 0), ("b", 1))]
    table = fuzzing.tabulate({"machine": host, "seconds": 4, "targets": targets})
    assert table.splitlines()[-1] == "| **all** | **2,000** | **1** |"
    reading = vars(bombs.Reading("PNG", 45, "now", "refused", 0.001, 2_000_000))
    table = bombs.tabulate({"machine": host, "readings": [reading]})
    assert table.splitlines()[-1] == "| PNG | 45 | now | refused | 0.001 s | 2 MB |"
