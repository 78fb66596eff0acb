"""Sources that stamp their frames by one clock: paired by their stamps, whatever the delays."""

import logging
import math
from collections import Counter
from itertools import pairwise
from queue import SimpleQueue
from random import Random
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ship_deploy.streams import Pipeline
from ship_deploy.streams.frame import Frame
from ship_deploy.streams.pairer import Pairer
from ship_deploy.streams.shared_clock import DELAY, SharedClock, SharedTimeline

IMAGE = np.zeros((16, 16), np.uint8)
EPOCH = 1.7e9  # seconds; the shared clock is far from the computer's
CLOSE = 1e-5  # seconds; stamps since 1970 have 53 bits


class Rig:
    """Two sources on a shared clock, without threads: `play` lets time pass from event to event."""

    def __init__(self, **options) -> None:
        clock = SharedClock()
        self.timelines = {side: SharedTimeline(clock) for side in ("visible", "infrared")}
        self.pairer = Pairer(self.settle, **options)
        self.now = 0.0
        self.decisions = []  # (now, side, index, reason)
        self.results = []  # (now, index of the visible frame, of the infrared one, reason)
        self.placed = {"visible": {}, "infrared": {}}  # index -> Placed

    def settle(self, side, frame, reason) -> None:
        self.decisions.append((self.now, side, frame.index, reason))

    def play(self, events) -> "Rig":
        """Let frames arrive, each (arrived, side, index, stamp), and take what there is at once."""
        for arrived, side, index, stamp in sorted(events, key=lambda event: event[0]):
            self.idle(arrived)
            placed = self.placed[side][index] = self.timelines[side].place(stamp, arrived)
            self.pairer.push(side, Frame(IMAGE, placed.time, index), placed.moment, arrived)
            self.take()
        return self

    def idle(self, until) -> None:
        """Let time pass, and take whenever the pairer wants to be asked."""
        while (wait := self.pairer.wait(self.now)) and self.now + wait < until:
            self.now += wait
            self.take()
        self.now = until

    def take(self) -> None:
        while match := self.pairer.take(self.now):
            self.pairer.done(match.reason)
            frames = match.visible, match.infrared
            self.results.append((self.now, *(f and f.index for f in frames), match.reason))

    def pairs(self) -> list[tuple[int, int]]:
        return [(v, i) for _, v, i, reason in self.results if not reason]

    def doubted(self, side) -> list[int]:
        return [index for index, placed in self.placed[side].items() if placed.doubt]


def camera(side, rate, delay, count, *, jitter=0.0, loss=0.0, start=0.0, seed=0):
    """Frames of a camera whose transport keeps their order: (arrived, side, index, stamp)."""
    random, arrived, events = Random(seed), 0.0, []
    for index in range(count):
        time = start + index / rate
        arrived = max(arrived + 1e-6, time + delay + random.uniform(0, jitter))
        if random.random() >= loss:
            events.append((arrived, side, index, EPOCH + time))
    return events


@pytest.mark.parametrize("infrared_rate", [30, 9])
@pytest.mark.parametrize("visible_rate", [30, 9])
@pytest.mark.parametrize("delays", [(0.02, 0.15), (0.15, 0.02)])
def test_moments_are_paired_whatever_the_delays(visible_rate, infrared_rate, delays):
    rig = Rig()
    seconds = 10
    rig.play(
        camera("visible", visible_rate, delays[0], seconds * visible_rate)
        + camera("infrared", infrared_rate, delays[1], seconds * infrared_rate + 2)
    )

    nearest = [(v, round(v * infrared_rate / visible_rate)) for v in range(seconds * visible_rate)]
    ties = {v for v, _ in nearest if (2 * v * infrared_rate / visible_rate) % 2 == 1}
    assert [v for v, _ in rig.pairs()] == list(range(seconds * visible_rate))  # none is lost
    assert all(pair in nearest for pair in rig.pairs() if pair[0] not in ties)
    assert abs(rig.pairer.offset) <= 0.5 / max(visible_rate, infrared_rate) + CLOSE
    wait = max(0.0, delays[1] - delays[0]) + 1 / min(visible_rate, infrared_rate)
    for now, v, _, _ in rig.results[10:]:
        assert now - (v / visible_rate + delays[0]) <= wait + CLOSE  # no longer than it takes


def test_clocks_of_their_own_would_part_them():
    """What "shared" is for: the same frames by arrival."""
    record = []
    pairer = Pairer(lambda *_: None)
    events = camera("visible", 30, 0.02, 60) + camera("infrared", 30, 0.15, 60)
    for arrived, side, index, _ in sorted(events):
        pairer.push(side, Frame(IMAGE, arrived, index), arrived, arrived)
        while match := pairer.take(arrived):
            record.append((match.visible, match.infrared, match.reason))
            pairer.done(match.reason)

    assert {v.index - i.index for v, i, reason in record if not reason} == {4}  # 130 ms


@st.composite
def cameras(draw, side):
    return camera(
        side,
        draw(st.sampled_from([5, 9, 15, 25, 29.97, 30, 60])),
        draw(st.floats(0, 0.3)),
        draw(st.integers(0, 80)),
        jitter=draw(st.sampled_from([0, 0.005, 0.05, 0.3])),
        loss=draw(st.sampled_from([0, 0.1, 0.5])),
        start=draw(st.floats(0, 0.5)),
        seed=draw(st.integers(0, 2**32)),
    )


@settings(max_examples=300, deadline=None)
@given(visible=cameras("visible"), infrared=cameras("infrared"))
def test_partners_are_the_nearest_that_come_within_the_wait(visible, infrared):
    visible = [(a + 3e-7, *rest) for a, *rest in visible]  # so that no two arrive at once
    rig = Rig(length=200).play(visible + infrared)
    rig.idle(rig.now + 20)
    rig.pairer.close()

    assert not rig.doubted("visible") and not rig.doubted("infrared")
    came = Counter((side, index) for _, side, index, _ in visible + infrared)
    assert came == Counter((side, index) for _, side, index, _ in rig.decisions)  # each once
    shown = [v for _, v, _, _ in rig.results if v is not None]
    assert shown == sorted(set(shown))
    partner = dict(rig.pairs())
    fused = {i for _, side, i, reason in rig.decisions if side == "infrared" and not reason}
    assert fused == set(partner.values())
    stamps = {index: stamp for _, _, index, stamp in infrared}
    arrivals = {index: (arrived, stamp) for arrived, _, index, stamp in visible}
    alone = {i: now for now, v, i, _ in rig.results if v is None}  # the visible camera was down
    for now, side, index, reason in rig.decisions:
        if side == "visible":
            left = [e for e in infrared if alone.get(e[2], now) >= now]
            nearest = stamps.get(partner.get(index))
            if reason == "late":  # given up: an infrared frame of its time went out alone
                assert max(stamps[i] for i in alone if alone[i] <= now) > arrivals[index][1] - CLOSE
            else:
                check(now, *arrivals[index], nearest, reason, visible, infrared, left)


def check(now, arrived, stamp, partner, reason, visible, infrared, left) -> None:
    """Whether what became of a visible frame is what `Pairer` documents."""
    known = [(a, s) for a, _, _, s in infrared if a <= now]
    periods = [period(side, now) for side in (visible, infrared)]
    if None in periods:
        assert partner is None or partner == stamp
        return
    gap = min((abs(s - stamp) for a, _, _, s in left if a <= now), default=math.inf)
    wait = max(periods)
    due = max(arrived, stamp + max(a - s for a, s in known[-31:])) + wait
    if reason == "overrun":  # it has waited for the second frame of a side, which tells the period
        assert now in (visible[1][0], infrared[1][0])
    elif reason:
        assert reason in ("infrared down", "no partner")
        assert gap > wait / 2 - CLOSE  # nothing that is near has come
        decided = known[-1][1] >= stamp  # later ones lie farther still
        assert decided or reason == "infrared down" or now >= due - CLOSE
    else:
        assert abs(partner - stamp) <= min(gap, wait / 2) + CLOSE
        later = [abs(s - stamp) for a, _, _, s in infrared if now < a <= due]
        # A frame within half a period is not nearer than the next, unless losses hid the period.
        assert abs(partner - stamp) <= max(min(later, default=math.inf), periods[1] / 2) + CLOSE


def period(frames, now) -> float | None:
    stamps = [s for a, _, _, s in frames if a <= now][-32:]
    return median(b - a for a, b in pairwise(stamps)) if len(stamps) > 1 else None


def faulty(fault, *, side="infrared", seconds=20.0, begin=8.0, end=16.0):
    """Two cameras at 30 Hz; the stamps of one are put through `fault` for a while."""
    events = camera("visible", 30, 0.02, int(30 * seconds))
    events += camera("infrared", 30, 0.15, int(30 * seconds))
    return [
        (a, s, i, fault(stamp) if s == side and begin <= i / 30 < end else stamp)
        for a, s, i, stamp in events
    ]


FAULTS = {
    "absent": lambda stamp: None,
    "NaN": lambda stamp: math.nan,
    "infinite": lambda stamp: math.inf,
    "stands still": lambda stamp: EPOCH + 8,
    "went back by 0.3 s": lambda stamp: stamp - 0.3,
    "went back by a day": lambda stamp: stamp - 86400,
    "in the future": lambda stamp: stamp + 3,
    "of another epoch": lambda stamp: stamp - EPOCH,
    "runs backwards": lambda stamp: EPOCH + 16 - (stamp - EPOCH),
}


@pytest.mark.parametrize("side", ["visible", "infrared"])
@pytest.mark.parametrize("fault", FAULTS)
def test_stamps_that_cannot_be_are_placed_by_arrival_until_they_are_right_again(fault, side):
    rig = Rig().play(faulty(FAULTS[fault], side=side))

    doubted = rig.doubted(side)
    assert len(doubted) >= 8 * 30 - 2  # one that is not later may have been sent twice
    assert {8 * 30 <= index <= 17 * 30 for index in doubted} == {True}
    other = {"visible": "infrared", "infrared": "visible"}[side]
    assert not rig.doubted(other)  # the source that is right is not drawn into it
    right = Counter(v - i for v, i in rig.pairs() if not 8 * 30 <= v < 17 * 30)
    assert set(right) == {0} and right[0] > 0.98 * 11 * 30
    wrong = Counter(v - i for v, i in rig.pairs() if 9 * 30 <= v < 15 * 30)
    assert set(wrong) <= {0, 1, 2, 3, 4}  # by arrival: up to 130 ms apart
    assert sum(wrong.values()) > 0.95 * 6 * 30
    longest = max(b - a for (a, *_), (b, *_) in pairwise(rig.results))
    assert longest < 0.5  # nothing falls silent, not even where it begins and ends


def test_a_clock_that_is_set_for_both_is_followed_again():
    events = faulty(lambda stamp: stamp - 100, end=60.0, seconds=40.0)
    rig = Rig().play(
        [(a, s, i, t - 100 * (s == "visible" and i >= 8 * 30)) for a, s, i, t in events]
    )

    assert not {i for side in rig.placed for i in rig.doubted(side) if i > 14 * 30}
    assert {v - i for v, i in rig.pairs() if v > 15 * 30} == {0}
    assert max(b - a for (a, *_), (b, *_) in pairwise(rig.results)) < 0.5


@pytest.mark.parametrize("rate", [1 - 5e-4, 1 + 5e-4, 0.9])
def test_a_shared_clock_that_drifts_is_followed_for_hours(rate):
    """0.9: a simulation that runs slower than real time."""
    events = camera("visible", 5, 0.02, 20000) + camera("infrared", 5, 0.15, 20000)
    rig = Rig().play([(a, s, i, EPOCH + (t - EPOCH) * rate) for a, s, i, t in events])

    assert rig.pairs() == [(i, i) for i in range(20000)]
    for arrived, side, index, _ in events:
        placed = rig.placed[side][index]
        assert not placed.doubt
        assert 0 <= arrived - placed.time <= 0.13 + abs(1 - rate) * 5 + CLOSE


def test_times_grow_are_not_in_the_future_and_show_the_longer_delay():
    random, clock = Random(0), SharedClock()
    slow, quick = SharedTimeline(clock), SharedTimeline(clock)
    ages, times = [], []
    for n in range(300):
        stamp, delay = EPOCH + n / 30, 0.15 + random.uniform(0, 0.02)
        quick.place(stamp - 0.13, n / 30 - 0.11)
        placed = slow.place(stamp, n / 30 + delay)
        times.append(placed.time)
        ages.append(n / 30 + delay - placed.time)
        assert placed.time <= n / 30 + delay

    assert all(before < after for before, after in pairwise(times))
    assert all(0.13 - CLOSE <= age <= 0.15 + CLOSE for age in ages)  # less the quicker one's 20 ms


class Delayed:
    """A live source that is fed by a test."""

    live = True

    def __init__(self, name, clock) -> None:
        self.name, self.clock = name, clock
        self.frames: SimpleQueue = SimpleQueue()

    def open(self):
        return self

    def read(self):
        return self.frames.get()

    def close(self) -> None:
        pass


def average(visible, infrared):
    return visible // 2 + infrared[..., None] // 2


def test_a_pipeline_pairs_by_the_stamps_and_hands_them_on():
    visible, infrared = Delayed("visible", "shared"), Delayed("infrared", "shared")
    stamps = [EPOCH + n / 1000 for n in range(20)]
    with Pipeline(visible, infrared, average, length=100, deadlines=(60, 60)) as pipeline:
        results = iter(pipeline)
        for stamp in stamps:  # long before the visible ones of the same moments
            infrared.frames.put((IMAGE, stamp))
        while pipeline.statistics().infrared.received < len(stamps):
            pass
        for stamp in stamps:
            visible.frames.put((IMAGE, stamp))
            result = next(results)
            assert result.visible.stamp == result.infrared.stamp == stamp
        statistics = pipeline.statistics()
        for source in (visible, infrared):
            source.frames.put(None)

    assert statistics.visible.clock == statistics.infrared.clock == "shared"
    assert statistics.visible.by_arrival == statistics.infrared.by_arrival == 0
    assert statistics.offset == pytest.approx(0, abs=CLOSE)


@pytest.mark.parametrize("clocks", [("shared", "own"), ("own", "shared"), ("own", "own")])
def test_one_shared_clock_alone_is_as_good_as_none(clocks):
    sources = [Delayed(side, clock) for side, clock in zip(("v", "i"), clocks, strict=True)]
    with Pipeline(*sources, average) as pipeline:
        for source in sources:
            source.frames.put(None)

    statistics = pipeline.statistics()
    assert statistics.visible.clock == statistics.infrared.clock == "own"


def test_a_warning_says_once_that_stamps_are_wrong_and_all_are_counted(caplog):
    visible, infrared = Delayed("visible", "shared"), Delayed("infrared", "shared")
    caplog.set_level(logging.WARNING)
    with Pipeline(visible, infrared, average, length=100) as pipeline:
        for n in range(30):
            visible.frames.put((IMAGE, EPOCH + n / 30))
            infrared.frames.put((IMAGE, math.nan if n % 3 == 2 else EPOCH + n / 30))
        while pipeline.statistics().infrared.received < 30:
            pass
        statistics = pipeline.statistics()
        for source in (visible, infrared):
            source.frames.put(None)

    assert (statistics.visible.by_arrival, statistics.infrared.by_arrival) == (0, 10)
    told = [r.getMessage() for r in caplog.records if "stamps" in r.getMessage()]
    assert told == ["infrared: its stamps are missing; frames are paired by their time of arrival"]


def test_what_lies_farther_apart_than_any_delay_is_no_shared_clock():
    clock = SharedClock()
    one, other = SharedTimeline(clock), SharedTimeline(clock)
    one.place(EPOCH, 5.0)

    assert not other.place(EPOCH - 0.9 * DELAY, 5.0).doubt
    assert other.place(EPOCH + 1.2 * DELAY, 5.1).doubt == "are 1.1 s ahead of the shared clock"
    assert other.place(EPOCH - 2, 5.2).doubt == "are 2.2 s behind the shared clock"
