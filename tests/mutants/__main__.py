"""Which changes of the code no test sees: `python -m tests.mutants --sample 500`.

cosmic-ray changes one operator, number or condition of `ship_deploy` or `export` at a time, in a
worktree of the last commit, and the nearest tests are run. A change that they pass is listed, with
the share of such changes; it is one to write a test for, or makes no difference.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, WorkerOutcome, WorkResult

from benchmarks import machine, mutation, record

PACKAGES = ("ship_deploy", "export")
# What a machine without a GPU cannot test, and what prints.
LEFT_OUT = ("ship_deploy/cuda", "ship_deploy/backends/tensorrt.py", "ship_deploy/__main__.py")
# Of `int | None` in annotations, which are no behaviour.
ANNOTATIONS = "core/ReplaceBinaryOperator_BitOr"
TIMEOUT = 120  # seconds; a change that makes the tests hang is seen
ALLOWED = 0.08  # share of changes that may pass
CONFIG = """
[cosmic-ray]
module-path = [{packages}]
timeout = {timeout}
excluded-modules = []
test-command = "{python} -m tests.mutants.nearest"

[cosmic-ray.distributor]
name = "local"
"""


def main() -> int:
    """Run a sample; 1 if more changes pass than are allowed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--sample", type=int, default=500, help="how many changes to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", nargs="*", default=PACKAGES)
    parser.add_argument("--output", type=Path, default=Path("build/mutants"))
    given = parser.parse_args()
    output = given.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    packages = ", ".join(f'"{package}"' for package in given.packages)
    config, session = output / "config.toml", output / "session.sqlite"
    config.write_text(
        CONFIG.format(packages=packages, timeout=TIMEOUT, python=sys.executable), "utf-8"
    )
    session.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "tree")
        subprocess.run(["git", "worktree", "add", "-q", "--detach", place], check=True)
        try:
            cosmic_ray(place, "init", config, session)
            choose(session, given.sample, given.seed)
            cosmic_ray(place, "exec", config, session)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", place], check=True)
    tried, passed = tell(session)
    sample = {"seed": given.seed, "tried": tried, "passed": passed}
    content = {"measured": machine.describe()["measured"], "samples": [sample]}
    record.write(output, "mutants", content, mutation.tabulate(content))
    return int(passed > ALLOWED * tried)


def cosmic_ray(place: Path, command: str, *files: Path) -> None:
    """Run one of its commands in a folder, where the tests find the code of that folder first."""
    program = Path(sys.executable).with_name("cosmic-ray")
    environment = {**os.environ, "PYTHONPATH": str(place)}
    subprocess.run([program, command, *files], cwd=place, env=environment, check=True)


def choose(session: Path, sample: int, seed: int) -> None:
    """Mark all changes but a sample as skipped; the same one for the same code and seed."""
    with use_db(str(session), WorkDB.Mode.open) as work:
        items = sorted(work.work_items, key=lambda item: str(item.mutations))  # ids are by chance
        fit = [item for item in items if is_behaviour(item.mutations[0])]
        chosen = random.Random(seed).sample(fit, min(sample, len(fit)))
        kept = {item.job_id for item in chosen}
        skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)
        work.set_multiple_results([i.job_id for i in items if i.job_id not in kept], skipped)


def is_behaviour(change: MutationSpec) -> bool:
    """Whether a change is of what is tested here."""
    left_out = str(change.module_path).startswith(LEFT_OUT)
    return not left_out and not change.operator_name.startswith(ANNOTATIONS)


def tell(session: Path) -> tuple[int, int]:
    """Print the changes that passed.

    Returns:
        how many were tried, and how many passed.
    """
    with use_db(str(session), WorkDB.Mode.open) as work:
        done = [
            (item.mutations[0], result)
            for item, result in work.completed_work_items
            if result.worker_outcome != WorkerOutcome.SKIPPED
        ]
    passed = [(change, result) for change, result in done if not result.is_killed]
    for change, result in sorted(passed, key=lambda found: str(found[0])):
        print(f"{change.module_path}:{change.start_pos[0]}: {change.operator_name}")
        print(*(line for line in (result.diff or "").splitlines() if line[:1] in "+-"), sep="\n")
    print(f"{len(done)} changes tried, {len(passed)} passed all tests")
    return len(done), len(passed)


if __name__ == "__main__":
    sys.exit(main())
