"""What a builder is doing, as a bar for each of its phases, and the way to stop it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ship_deploy.console import ERR


@contextmanager
def monitor(trt: Any) -> Iterator[Any]:
    """A `trt.IProgressMonitor` that draws on the terminal; its `cancel()` ends the build.

    The builder looks up after every step; a step can take seconds where it times kernels.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self, progress: Progress) -> None:
            super().__init__()
            self._progress = progress
            self._phases: dict[str, tuple[TaskID, int]] = {}  # bar, depth
            self._cancelled = False

        def cancel(self) -> None:
            self._cancelled = True

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            depth = self._phases[parent_phase][1] + 1 if parent_phase in self._phases else 0
            task = self._progress.add_task("  " * depth + phase_name, total=num_steps)
            self._phases[phase_name] = task, depth

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._phases:
                self._progress.update(self._phases[phase_name][0], completed=step + 1)
            return not self._cancelled

        def phase_finish(self, phase_name: str) -> None:
            if phase_name in self._phases:
                self._progress.remove_task(self._phases.pop(phase_name)[0])

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    silent = not ERR.is_terminal
    with Progress(*columns, console=ERR, transient=True, disable=silent) as progress:
        yield Monitor(progress)
