"""What the command prints."""

import io

from rich.console import Console

from export.__main__ import _table
from export.build import Graph
from export.models import Model
from export.precision import Precision
from export.verify import Fidelity


def test_no_word_of_the_table_is_cut_at_80_columns(tmp_path):
    paths = [tmp_path / f"{name}.onnx" for name in ("ship.fp16.luminance", "a_long_name_" * 6)]
    fidelity = Fidelity(1.234e-4, 62.4, 70.0, 1, 0.123456, 0.00123, 0, "64x64")
    for path in paths:
        path.write_bytes(bytes(12_345_678))
    terminal = Console(width=80, file=io.StringIO())

    terminal.print(_table([Model(p, Graph.FRAMES, Precision.FP16, fidelity) for p in paths]))

    text = terminal.file.getvalue()
    assert "…" not in text
    assert "ship.fp16.luminance.onnx" in text
    for value in ("raw error", "off > 1", "12.35", "62 dB", "1.2e-04", "12.346%", "0.123%"):
        assert value in text
    first_cells = (line.split("│")[1].strip() for line in text.splitlines() if "│" in line)
    assert paths[1].name in "".join(first_cells)  # folded
