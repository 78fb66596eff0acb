"""The table of other tools: what is compared, what is shown, and that every row can be asked."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.report import RESULTS
from benchmarks.tools import probe, table
from benchmarks.tools.rows import ROWS, Row
from ship_deploy import UserError
from ship_deploy.models import CATALOGUE

CONTENT = json.loads((RESULTS / "tools.json").read_text())
KNOWN = np.full((1, 4, 6, 3), 100, np.uint8)


def test_every_row_was_asked():
    """`python -m benchmarks tools -o benchmarks/results` asks again."""
    assert list(CONTENT["rows"]) == [table._key(row) for row in ROWS]
    assert {row.tool for row in ROWS} <= probe.TOOLS.keys()


def test_every_onnx_runtime_gives_the_same_picture():
    found = [r["models"] for r in CONTENT["rows"].values() if r["name"] == "ONNX Runtime"]
    assert len(found) == 16
    assert max(models[name]["levels"] for models in found for name in CATALOGUE) <= 1


def test_the_worst_picture_counts():
    off = KNOWN.copy()
    off[0, 0, 0, 0] = 90
    found = table.compare([KNOWN, off], [KNOWN, KNOWN])
    assert found["levels"] == 10 and found["off"] == pytest.approx(1 / 72)
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / (100 / 72)))
    assert table.compare([KNOWN], [KNOWN, KNOWN]) == {"levels": 0, "off": 0.0, "psnr": None}
    assert table.compare([], [KNOWN]) == {}
    assert table.compare([KNOWN.astype(np.float32) - 200], [KNOWN])["levels"] == 200


def test_a_picture_of_another_size_is_none():
    assert "(1, 2, 6, 3)" in table.compare([KNOWN[:, :2]], [KNOWN])["error"]


def test_the_table():
    models = {
        "a": {"levels": 1, "off": 0.1, "psnr": 60.0},
        "b": {"levels": 9, "off": 0.1, "psnr": 40.4},
        "c": {"error": "no <layer> | here " + "x" * 1000},
        "d": {},
    }
    host = {"measured": "2026-11-27T00:00", "processor": "CPU", "onnxruntime": "1"}
    row = {"name": "tool", "version": "2", "remark": "so", "models": models}
    shown = table.tabulate({"machine": host, "sizes": ["1x2"], "rows": {"tool": row}})
    assert "| tool | 2 | 1 | **9** (40 dB) | no | works | so |" in shown
    assert "- c, tool: no layer / here x" in shown and len(shown) < 1000


def test_an_unknown_tool_is_refused(tmp_path):
    with pytest.raises(UserError, match="unknown tool 'none', expected one of: ONNX Runtime, "):
        table.run(tmp_path, ["none"])


def test_a_tool_is_asked_in_its_environment(tmp_path, monkeypatch):
    """This one stands in for it: it has ONNX Runtime and, as it happens, no netron."""
    monkeypatch.setattr(table, "environment", lambda packages: sys.executable)
    expected = {"ship-t": table._frames(tmp_path)["ship-t"]}
    found = table._ask(Row("a", "onnxruntime", ("onnxruntime==1",), "so"), tmp_path, expected)
    assert found["models"]["ship-t"]["levels"] == 0 and found["remark"] == "so"
    assert found["version"]
    found = table._ask(Row("b", "netron", ("numpy",)), tmp_path, expected)
    assert "ModuleNotFoundError: No module named 'netron'" in found["models"]["ship-t"]["error"]


def test_an_environment_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    def fail(packages: tuple[str, ...]) -> None:
        raise UserError("no such version")

    monkeypatch.setattr(table, "environment", fail)
    found = table._ask(Row("a", "onnxruntime", ("x==0",)), tmp_path, {"ship-t": []})
    assert found["models"] == {"ship-t": {"error": "no such version"}}


def test_a_program_that_fails_is_quoted(tmp_path, monkeypatch):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho start\necho 'error: no such layer' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(probe, "BINARIES", tmp_path)
    with pytest.raises(RuntimeError, match=r"^program: error: no such layer$"):
        probe.call("program")


def test_the_probe_imports_nothing_of_ours():
    code = f"import runpy, sys; runpy.run_path({str(table.PROBE)!r}); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"ship_deploy", "benchmarks", "training"} & {*shown.stdout.split()}
