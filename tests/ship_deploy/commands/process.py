"""`ship-deploy` as a user meets it: a process, its exit code, what it prints."""

import os
import signal
import subprocess
import sys

COMMAND = [sys.executable, "-m", "ship_deploy"]


def ship_deploy(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options
    )


def start(*arguments: object, **options) -> subprocess.Popen[str]:
    """The command in the background, open to signals even where these tests themselves are not."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def check_refused(result: subprocess.CompletedProcess[str], message: str, code: int = 1) -> None:
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


WITHOUT_GPU = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
