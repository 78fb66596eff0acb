"""Attacks every kind of input with atheris: `python -m tests.fuzz [TARGET ...] --seconds 60`.

Each target runs in a process of its own, with a limit on time and memory for each input. What an
input does that is neither acceptance nor a refusal ends its target; the input is kept in
`build/fuzz/TARGET`. Copied to `tests/fuzz/findings/TARGET`, it is a test.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import fuzzing, machine, record
from ship_deploy.console import QUIET
from tests.fuzz.targets import SETTINGS, TARGETS

FINDINGS = Path(__file__).parent / "findings"
LONGEST = 32_000  # bytes of an input
SLOWEST = 10  # seconds an input may take
LARGEST = 2048  # MiB that the process may hold; PyTorch takes some hundred of them
SEED = 1


def main() -> int:
    """Run the attacks; 1 if there were findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(unknown)}")
    if given.inside:
        attack_one(given.targets[0], given.seconds, given.seed, given.output)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        attacks = [
            pool.submit(start, name, given.seconds, given.seed, given.output)
            for name in given.targets or TARGETS
        ]
    results = [attack.result() for attack in attacks]
    content = {"machine": machine.describe(), "seconds": given.seconds, "targets": results}
    given.output.mkdir(parents=True, exist_ok=True)
    record.write(given.output, "fuzz", content, fuzzing.tabulate(content))
    return int(any(result["findings"] for result in results))


def start(name: str, seconds: int, seed: int, output: Path) -> dict[str, Any]:
    """Attack a target in a process of its own, and print how it went.

    Returns:
        its name, how many inputs were tried, and how many findings ended that: none or one.
    """
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, f"--seconds={seconds}"]
    begun = time.monotonic()
    result = subprocess.run(
        [*command, f"--seed={seed}", f"--output={output}"],
        capture_output=True,
        text=True,
        errors="replace",
        env={
            **QUIET,
            **os.environ,
            **SETTINGS,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path.cwd()),
        },
    )
    runs = re.findall(r"^#(\d+)\b", result.stderr, re.MULTILINE)
    tried = int(runs[-1]) if runs else 0
    about = f"{name:12} {tried:9,} inputs"
    if not result.returncode:
        print(f"{about} in {time.monotonic() - begun:3.0f} s, nothing found", flush=True)
        return {"target": name, "inputs": tried, "findings": 0}
    said = (result.stdout + result.stderr).splitlines()
    lines = [line for line in said if not line.startswith(("INFO", "WARNING", "#", "stat::"))]
    print(f"{about}: a finding in {output / name}", *lines[-25:], sep="\n    ", flush=True)
    return {"target": name, "inputs": tried, "findings": 1}


def attack_one(name: str, seconds: int, seed: int, output: Path) -> None:
    """Hand this process over to libFuzzer, which ends it."""
    import atheris

    from tests.fuzz.mutation import mutate
    from tests.fuzz.seeds import seeds

    with atheris.instrument_imports(include=["ship_deploy", "training"]):
        from tests.fuzz.targets import attack

        for content in seeds(name):  # imports what the target needs
            attack(name, content)
    begin, kept = output / name / "seeds", output / name / "corpus"
    for place in (begin, kept):
        place.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds(name)):
        (begin / str(number)).write_bytes(content)
    places = [kept, begin, *(place for place in [FINDINGS / name] if place.is_dir())]

    def damage(content: bytes, longest: int, number: int) -> bytes:
        """Half of the time our own damage, half of the time libFuzzer's."""
        chance = random.Random(number)
        if chance.random() < 0.5:
            return mutate(content, chance)[:longest]
        return bytes(atheris.Mutate(content, longest))

    def target(content: bytes) -> None:
        attack(name, content)

    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST}"]
    options += [f"-timeout={SLOWEST}", f"-rss_limit_mb={LARGEST}", "-print_final_stats=1"]
    options += [f"-artifact_prefix={output / name}/", "-reload=0"]
    atheris.Setup([sys.argv[0], *options, *map(str, places)], target, custom_mutator=damage)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
