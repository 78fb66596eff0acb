"""Stamps of a camera's clock, placed on the computer's."""

from itertools import pairwise
from random import Random

import pytest

from ship_deploy.streams.timeline import Timeline


def place(frames):
    timeline = Timeline()
    return [timeline.place(stamp, arrived).time for stamp, arrived in frames]


def test_jitter_of_the_way_is_taken_out():
    random = Random(0)
    frames = [(1e5 + n / 30, n / 30 + 0.05 + random.uniform(0, 0.02)) for n in range(300)]

    times = place(frames)

    intervals = [after - before for before, after in pairwise(times[100:])]
    arrivals = [a - b for (_, b), (_, a) in pairwise(frames[100:])]
    assert sum(abs(i - 1 / 30) for i in intervals) < 0.4 * sum(abs(i - 1 / 30) for i in arrivals)


def test_one_frame_sent_early_does_not_move_the_others():
    frames = [(n / 30, n / 30 + 0.05 - (0.03 if n == 6 else 0)) for n in range(30)]

    times = place(frames)

    assert times[6] == pytest.approx(frames[6][1])  # not in the future
    assert times[7:] == pytest.approx([arrived for _, arrived in frames[7:]])


@pytest.mark.parametrize("jump", [-100.0, 0.7, 100.0])
def test_a_clock_that_jumps_is_tied_anew(jump):
    frames = [(n / 30 + (jump if n >= 20 else 0), n / 30) for n in range(60)]

    assert place(frames) == pytest.approx([arrived for _, arrived in frames], abs=1e-6)


@pytest.mark.parametrize("stamp", [None, 0.0])
def test_without_a_running_clock_the_arrival_counts(stamp):
    assert place([(stamp, n / 30) for n in range(10)]) == [n / 30 for n in range(10)]


@pytest.mark.parametrize(("frames", "pace"), [(9, 9 / 25), (15, 0.6), (30, 1.2), (30, 0.9)])
def test_stamps_that_do_not_keep_pace_are_not_believed(frames, pace):
    """As of HTTP MJPEG, where FFmpeg counts 25 frames a second."""
    timeline, random = Timeline(), Random(0)
    doubts = []
    for n in range(20 * frames):
        arrived = n / frames + random.uniform(0, 0.02)
        placed = timeline.place(n / frames * pace, arrived)
        assert placed.time == placed.moment == arrived
        doubts.append(placed.doubt)

    assert set(doubts[3 * frames :]) == {"do not keep pace with real time"}


@pytest.mark.parametrize("drift", [-2e-4, 0, 2e-4])
def test_a_clock_that_is_as_good_as_clocks_are_is_believed(drift):
    timeline, random = Timeline(), Random(0)
    hidden = 0
    for n in range(30 * 900):
        delayed = n % 500 == 499
        arrived = n / 30 * (1 + drift) + (0.4 if delayed else random.choice([0.05, 0.06, 0.07]))
        placed = timeline.place(n / 30, arrived)
        assert not placed.doubt
        hidden += delayed and arrived - placed.time > 0.3
    assert hidden == 30 * 900 // 500  # the stamps show what the arrivals hide


def test_a_clock_that_has_run_away_is_believed_again_when_it_keeps_pace():
    timeline, stamp, doubts = Timeline(), 0.0, []
    for n in range(30 * 20):
        stamp += (0.5 if 150 <= n < 300 else 1) / 30
        doubts.append(bool(timeline.place(stamp, n / 30).doubt))

    assert not any(doubts[:150]) and all(doubts[170:300]) and not any(doubts[-150:])


def test_times_grow_and_are_never_in_the_future():
    random, now, frames = Random(1), 0.0, []
    for _ in range(2000):
        now += random.uniform(0.001, 0.1)
        frames.append((random.choice([None, now, 0.5 * now, now + random.gauss(0, 1)]), now))

    times = place(frames)

    assert all(before < after for before, after in pairwise(times))
    assert all(time <= arrived for time, (_, arrived) in zip(times, frames, strict=True))
