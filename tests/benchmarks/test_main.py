"""How results are printed."""

import pytest
from rich.console import Console

from benchmarks import __main__ as command

NARROW = "Measured.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
WIDE = NARROW + "\n| candidate | worst pair |\n|---|---|\n| " + "w" * 60 + " | " + "p" * 60 + " |\n"


@pytest.mark.parametrize("markdown", [NARROW, WIDE])
def test_no_word_of_a_table_is_cut_at_80_columns(monkeypatch, capsys, markdown):
    monkeypatch.setattr(command, "OUT", Console(width=80))
    command._show(markdown)
    printed = capsys.readouterr().out
    assert "…" not in printed
    for word in markdown.replace("|", " ").replace("---", " ").split():
        assert word in printed
    assert ("| 1 | 2 |" in printed) == (markdown is WIDE)  # laid out where it fits
