"""`ship-deploy bench` as a user meets it."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ship_deploy.commands.app import app
from ship_deploy.errors import UserError

QUICK = ["--size", "32x40", "--rounds", "10", "--percentile", "50", "--warm-up", "1"]


def bench(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)], env={"COLUMNS": "160"})


def test_a_model_of_ones_own_with_two_numbers_of_threads(model, tmp_path):
    output = tmp_path / "a.json"
    threads = ["--threads", 1, "--threads", 2]
    result = bench(
        model, *QUICK, *threads, "--stream", "--rate", 100, "--label", "rover", "-o", output
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.count("rover") == 4 and str(output) in result.stdout
    results = json.loads(output.read_text())["results"]
    assert [(r["what"], r["threads"]) for r in results] == [
        *(("fuse", 1), ("fuse", 2)),
        *(("camera to picture", 1), ("camera to picture", 2)),
    ]
    assert {len(r["samples"]) for r in results} == {10}

    table = bench("table", output, output, "--format", "markdown").stdout
    assert table.count("| rover |") == 8
    compared = bench("compare", output, output, "--fail-if-slower", "10%")
    assert compared.exit_code == 0
    assert compared.stdout.count("not told") == 4  # apart, perhaps on the next line


def test_what_is_slower_fails_if_told_to(model, tmp_path):
    output = tmp_path / "a.json"
    assert bench(model, *QUICK, "-o", output).exit_code == 0
    slower = json.loads(output.read_text())
    result = slower["results"][0]
    result["samples"] = [0.5 + seconds for seconds in result["samples"]]
    (tmp_path / "b.json").write_text(json.dumps(slower))
    files = (output, tmp_path / "b.json")
    assert bench("compare", *files).exit_code == 0
    failed = bench("compare", *files, "--fail-if-slower", "10%").exception
    assert isinstance(failed, UserError) and str(failed) == "1 of 1 slower by more than 10%"
    assert bench("compare", *files[::-1], "--fail-if-slower", "10%").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rounds", 10, "--percentile", 99], "p99 of 10 rounds is chance"),
        (["--size", "480"], "--size is '480'"),
        (["--size", "8x480"], "--size is '8x480'"),
        (["nothing.onnx"], "nothing.onnx"),
        (["compare", "a", "b", "--fail-if-slower", "10"], "expected a percentage"),
    ],
)
def test_mistakes_are_one_line(arguments, said):
    error = bench(*arguments).exception
    assert isinstance(error, UserError) and said in str(error)


def test_it_needs_no_torch(model):
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        f"sys.argv = ['ship-deploy', 'bench', {str(model)!r}, *{QUICK!r}]\n"
        "from ship_deploy.__main__ import main\nmain()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
