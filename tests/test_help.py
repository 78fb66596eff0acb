"""The help of the programs that run from a checkout, as an 80-column terminal shows it."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]


def commands() -> Iterator[tuple[str, list[str]]]:
    for module in ("training.__main__", "export.__main__", "export.demo", "benchmarks.__main__"):
        app = importlib.import_module(module).app
        yield module, []
        yield from ((module, [name]) for name in getattr(get_command(app), "commands", ()))


@pytest.mark.parametrize(("module", "arguments"), list(commands()))
def test_nothing_is_cut_and_no_path_of_this_machine_is_shown(module, arguments):
    app = importlib.import_module(module).app
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert "…" not in result.stdout
    assert str(ROOT.parent) not in result.stdout


@pytest.mark.parametrize(("module", "arguments"), list(commands()))
def test_every_option_is_explained_in_a_sentence(module, arguments):
    command = get_command(importlib.import_module(module).app)
    for name in arguments:
        command = command.commands[name]
    for parameter in command.params:
        assert parameter.help and parameter.help.endswith("."), parameter.name
        assert parameter.help[0].isupper(), parameter.help
