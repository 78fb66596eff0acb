"""Whatever the clocks of two cameras do: as long as one delivers, pictures come out."""

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ship_deploy.streams.frame import Frame
from ship_deploy.streams.pairer import Pairer
from ship_deploy.streams.shared_clock import SharedClock, SharedTimeline
from ship_deploy.streams.timeline import Timeline

IMAGE = np.zeros((1, 1), np.uint8)
SILENCE = 1.5  # seconds; the pairer's default
LONGEST = 2 * SILENCE + 1.0  # seconds: found to be down, waited for, and a frame or two
BEHAVIOURS = ["right", "stuck", "slow", "fast", "jumping", "absent", "NaN", "backwards", "random"]


def stamps(behaviour, times, random):
    """What a camera's clock shows at some times."""
    origin = 1.7e9 + random.choice([0.0, 0.0, 0.2, -0.7, 86400.0])
    pace = random.uniform(0.3, 0.999)
    jumped = 0.0
    for time in times:
        jumped += random.choice([-30.0, -0.5, 0.7, 30.0]) if random.random() < 0.05 else 0.0
        yield {
            "right": origin + time,
            "stuck": origin,
            "slow": origin + pace * time,
            "fast": origin + time / pace,
            "jumping": origin + time + jumped,
            "absent": None,
            "NaN": float("nan"),
            "backwards": origin - time,
            "random": random.uniform(0, 100),
        }[behaviour]


@st.composite
def cameras(draw):
    """What arrives in 30 seconds, (arrived, stamp); the clock does one thing after another."""
    random = Random(draw(st.integers(0, 2**32)))
    period, delay = 1 / draw(st.sampled_from([5, 9, 15, 30])), draw(st.floats(0, 0.3))
    jitter = draw(st.sampled_from([0.0, 0.01, 0.1]))
    outage = draw(st.sampled_from([None, (5.0, 12.0)]))
    arrived, found = 0.0, []
    behaviours = draw(st.lists(st.sampled_from(BEHAVIOURS), min_size=1, max_size=4))
    times = [n * period for n in range(int(30 / period))]
    parts = np.array_split(times, len(behaviours))
    for behaviour, part in zip(behaviours, parts, strict=True):
        for time, stamp in zip(part, stamps(behaviour, part, random), strict=True):
            arrived = max(arrived + 1e-6, float(time) + delay + random.uniform(0, jitter))
            if not outage or not outage[0] < time < outage[1]:
                found.append((arrived, stamp))
    return found


@pytest.mark.parametrize("shared", [False, True])
@settings(max_examples=60, deadline=None)
@given(visible=cameras(), infrared=cameras())
def test_as_long_as_a_camera_delivers_results_come_out_and_the_accounts_close(
    shared, visible, infrared
):
    clock = SharedClock()
    sides = {"visible": visible, "infrared": infrared}
    timelines = {side: SharedTimeline(clock) if shared else Timeline() for side in sides}
    settled, results, pushed = Counter(), [0.0], Counter()
    pairer = Pairer(lambda side, frame, reason: settled.update([(side, frame.index)]))
    arrivals = sorted(
        (arrived, side, index, stamp)
        for side, frames in sides.items()
        for index, (arrived, stamp) in enumerate(frames)
    )
    now = 0.0

    def take() -> None:
        while match := pairer.take(now):
            results.append(now)
            pairer.done(match.reason)

    for arrived, side, index, stamp in arrivals:
        while (wait := pairer.wait(now)) and now + wait < arrived:
            now += wait
            take()
        now = arrived
        placed = timelines[side].place(stamp, arrived)
        assert placed.time <= arrived
        pairer.push(side, Frame(IMAGE, placed.time, index), placed.moment, now)
        pushed[side, index] += 1
        take()
    pairer.close()

    assert settled == pushed
    delivering = [arrived for arrived, *_ in arrivals]
    for before, after in pairwise([*results, delivering[-1]]):
        frames = [t for t in delivering if before < t < after]
        gaps = [0.0, *(b - a for a, b in pairwise(frames))]
        if frames and max(gaps) < 0.5:  # else neither camera delivered for a while
            assert frames[-1] - frames[0] < LONGEST
