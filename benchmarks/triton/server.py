"""The server that is in the wheel of nvidia-pytriton; it has the Python backend and no other."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from ship_deploy.errors import UserError

PATIENCE = 120.0  # seconds for the server to start, on a busy machine
ROOT = Path(__file__).parents[2]


class TritonServer:
    """A server on loopback; as a context manager, from ready to ended.

    Args:
        repository: of its models.
        folder: for its backend and its log.
        options: of its command line, in addition.

    Attributes:
        http: "127.0.0.1:PORT".
        grpc: the same.

    Raises:
        UserError: the wheel is not installed, or the server does not start, with its last words.
    """

    def __init__(self, repository: Path, folder: Path, *options: str) -> None:
        self._program, libraries, backends = _install(folder)
        self.log = folder / "server.log"
        self.http, self.grpc = (f"127.0.0.1:{_free_port()}" for _ in range(2))
        self._command = [
            str(self._program),
            f"--model-repository={repository}",
            f"--backend-directory={backends}",
            "--allow-metrics=false",
            "--exit-timeout-secs=1",  # else it waits for idle clients of HTTP
            "--http-address=127.0.0.1",
            f"--http-port={self.http.rpartition(':')[2]}",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={self.grpc.rpartition(':')[2]}",
            *options,
        ]
        self._environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(libraries),
            "PYTHONPATH": str(ROOT),
            # Its Python takes the packages of the first python3 that is found there.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "TritonServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + PATIENCE
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                said = self.log.read_text(errors="replace").strip().splitlines()[-5:]
                raise UserError("the Triton server did not start: " + " / ".join(said))
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal; and its stubs, which outlive one that was killed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def pause(self, paused: bool) -> None:
        """Let it hang, or go on."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.http}/v2/health/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _install(folder: Path) -> tuple[Path, Path, Path]:
    """The program, the folder of its libraries, and that of its backend."""
    spec = find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "nvidia-pytriton is not installed; make test-triton makes build/triton, where it is"
        )
    package = Path(spec.submodule_search_locations[0])
    home = package / "tritonserver"
    program, backends = folder / "tritonserver", folder / "backends"
    shutil.copy(home / "bin" / "tritonserver", program)
    program.chmod(0o755)
    shutil.copytree(home / "backends", backends, dirs_exist_ok=True)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = backends / "python" / "triton_python_backend_stub"
    shutil.copy(home / "python_backend_stubs" / python / stub.name, stub)
    stub.chmod(0o755)
    return program, package.parent / "nvidia_pytriton.libs", backends


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
