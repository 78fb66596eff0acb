"""The offset between two cameras, and how fast it grows."""

import pytest

from ship_deploy.streams.phase import ENOUGH, MEMORY, Phase

PERIODS = 0.1, 0.1


def follow(phase, times, difference):
    for time in times:
        phase.add(time, difference(time), PERIODS)


def test_a_drift_is_found_below_the_jitter_of_frames():
    phase = Phase()
    jitter = [0.004, -0.004] * MEMORY
    steps = range(2 * MEMORY)
    follow(phase, [n / 10 for n in steps], lambda time: 1e-4 * time + jitter[round(10 * time)])
    assert phase.drift == pytest.approx(1e-4, rel=0.1)


def test_a_drift_that_changes_is_followed():
    """What is long ago counts less, or a camera that warmed up would drift for ever."""
    phase = Phase()
    steps = [number / 10 for number in range(int(8 * MEMORY))]
    half = len(steps) // 2
    follow(phase, steps[:half], lambda time: 1e-4 * time)
    assert phase.drift == pytest.approx(1e-4, rel=0.01)
    turn = steps[half - 1]
    follow(phase, steps[half:], lambda time: 1e-4 * turn - 3e-4 * (time - turn))
    assert phase.drift == pytest.approx(-3e-4, rel=0.2)  # e^-4 of the first half is left


def test_a_few_pairs_say_nothing_of_a_drift():
    phase = Phase()
    follow(phase, [number / 10 for number in range(ENOUGH - 1)], lambda time: 0.01)
    assert phase.drift is None and phase.offset == 0.01
    follow(phase, [ENOUGH / 10], lambda time: 0.01)
    assert phase.drift == pytest.approx(0.0, abs=1e-12)
