"""How a command ends when it is told to, whatever it is doing."""

import subprocess
import sys

import pytest

KEPT = "interrupted; what was finished is kept"
START = "import os, signal, sys\n"


def run(code, folder, **options):
    return subprocess.run(
        [sys.executable, "-c", START + code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_during_an_import_it_ends_at_once(tmp_path, name, code):
    """However the module would report an import that breaks off."""
    (tmp_path / "slow.py").write_text(
        "import os, signal\n"
        f"try:\n    os.kill(os.getpid(), signal.{name})\n    sum(range(1000))\n"
        "except BaseException as error:\n    raise ImportError('half of it') from error\n"
        "print('imported')\n"
    )
    ended = run(
        "sys.path.insert(0, '.')\nfrom ship_deploy import console\n"
        "console.run(lambda _: __import__('slow'))\n",
        tmp_path,
    )
    assert (ended.returncode, ended.stdout, ended.stderr.strip()) == (code, "", KEPT)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_in_the_middle_clean_up_runs(tmp_path, name, code):
    ended = run(
        "def work(_):\n"
        f"    try:\n        os.kill(os.getpid(), signal.{name})\n        sum(range(1000))\n"
        "    finally:\n        print('cleaned up')\n"
        "from ship_deploy import console\nconsole.run(work)\n",
        tmp_path,
    )
    assert (ended.returncode, ended.stdout, ended.stderr.strip()) == (code, "cleaned up\n", KEPT)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_at_the_very_end_it_goes_without_a_word(tmp_path, name):
    ended = run(
        f"import atexit\natexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"
        "from ship_deploy import console\nconsole.run(lambda _: sys.exit(0))\n",
        tmp_path,
    )
    assert ended.returncode < 0 and ended.stderr == ""


def test_what_ignores_interrupts_goes_on_to(tmp_path):
    """As under nohup."""
    ended = run(
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from ship_deploy import console\n"
        "console.run(lambda _: (os.kill(os.getpid(), signal.SIGINT), sys.exit(0)))\n",
        tmp_path,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_command_that_still_imports_ends_at_once(tmp_path):
    """By the signal itself, as Python's handler is not in place."""
    (tmp_path / "typer").mkdir()
    (tmp_path / "typer" / "__init__.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('imported')\n"
    )
    ended = run(
        "sys.path.insert(0, '.')\nfrom ship_deploy.__main__ import main\nmain()\n", tmp_path
    )
    assert ended.returncode == -2 and (ended.stdout, ended.stderr) == ("", "")
