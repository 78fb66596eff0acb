"""In short, and without atheris, what `make fuzz` does at length: the same attacks."""

import random
from pathlib import Path

import pytest

from tests.fuzz.mutation import mutate
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import SETTINGS, TARGETS, attack

FINDINGS = Path(__file__).parent / "findings"
TRIES = 100
REFUSED = {"artifact": 1, "pth": 1}  # how many seeds of a target are not whole, on purpose


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("target", TARGETS)
def test_attacks_begin_with_what_is_accepted(target):
    accepted = [attack(target, content) for content in seeds(target)]
    assert accepted.count(False) == REFUSED.get(target, 0)


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_inputs_are_accepted_or_refused(target):
    chance, sound = random.Random(target), seeds(target)
    refused = sum(not attack(target, mutate(chance.choice(sound), chance)) for _ in range(TRIES))
    assert refused or target == "requests"  # which answers everything


def test_every_folder_of_findings_is_of_a_target():
    assert {path.name for path in FINDINGS.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("path", sorted(FINDINGS.rglob("*.*")), ids=lambda path: path.name)
def test_findings_stay_fixed(path):
    attack(path.parent.name, path.read_bytes())
