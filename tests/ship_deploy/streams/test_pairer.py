"""The pairer on clocks of its own: thousands of sequences, and the cases that have names."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ship_deploy.results import Frame
from ship_deploy.streams.pairer import Pairer

IMAGE = np.zeros((1, 1), np.uint8)
REASONS = {
    *("", "late", "duplicate", "no partner", "overrun", "stopped"),
    *(f"{side} {state}" for side in ("visible", "infrared") for state in ("down", "ended")),
}


@dataclass
class Record:
    """A pairer, what was pushed, what was settled and what came out."""

    options: dict = field(default_factory=dict)
    pushed: list = field(default_factory=list)
    settled: list = field(default_factory=list)
    matches: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pairer = Pairer(self.settle, **self.options)

    def settle(self, side, frame, reason) -> None:
        self.settled.append((side, frame.index, reason))

    def push(self, side, index, time, now=None) -> None:
        self.pushed.append((side, index))
        self.pairer.push(side, Frame(IMAGE, time, index), time, time if now is None else now)

    def take(self, now, most=1000) -> list[tuple[int | None, int | None, str]]:
        """What comes out at `now`, as indices."""
        found = []
        while len(found) < most and (match := self.pairer.take(now)):
            self.matches.append(match)
            self.pairer.done(match.reason)
            sides = match.visible, match.infrared
            found.append((*(f and f.index for f in sides), match.reason))
        return found

    def fates(self, side) -> dict[int, str]:
        return {index: reason for s, index, reason in self.settled if s == side}

    def check_closed(self) -> None:
        """Every frame that came was settled once, for a reason that is known."""
        self.pairer.close()
        assert Counter(self.pushed) == Counter((s, i) for s, i, _ in self.settled)
        assert {reason for *_, reason in self.settled} <= REASONS


def camera(period, count, start=0.0):
    return [(index, start + index * period) for index in range(count)]


def play(record, visible, infrared, delay=0.0):
    """Push two cameras' frames in order of arrival and take after each."""
    events = [(t, "visible", i, t) for i, t in visible]
    events += [(t + delay, "infrared", i, t) for i, t in infrared]
    for now, side, index, time in sorted(events):
        record.push(side, index, time, now)
        record.take(now)
    record.take(max(events)[0] + 0.2)
    return record


def pairs(record):
    return [(m.visible.index, m.infrared.index) for m in record.matches if not m.reason]


def test_cameras_of_one_rate_pair_one_to_one():
    record = play(Record(), camera(1 / 30, 300), camera(1 / 30, 300, start=0.004))

    assert pairs(record) == [(i, i) for i in range(300)]
    assert record.pairer.offset == pytest.approx(0.004)
    assert record.pairer.drift == pytest.approx(0, abs=1e-9)
    record.check_closed()


def test_a_slow_infrared_frame_serves_the_visible_ones_around_it():
    visible, infrared = camera(1 / 30, 300), camera(1 / 9, 91, start=0.01)
    record = play(Record(), visible, infrared)

    assert [v for v, _ in pairs(record)] == [i for i, _ in visible]  # none is lost
    for v, i in pairs(record):
        distances = [abs(time - visible[v][1]) for _, time in infrared]
        assert distances[i] <= min(distances) + 1e-9 and distances[i] <= 0.5 / 9 + 1e-9
    assert set(record.fates("infrared").values()) == {""}  # used thrice, counted once
    assert record.pairer.drift is None
    record.check_closed()


def test_the_surplus_of_a_fast_infrared_camera_has_no_partner():
    record = play(Record(), camera(1 / 10, 100), camera(1 / 30, 300))

    assert pairs(record) == [(i, 3 * i) for i in range(100)]
    record.check_closed()
    fates = Counter(record.fates("infrared").values())
    assert fates == {"": 100, "no partner": 198, "stopped": 2}


@pytest.mark.parametrize("drift", [0.0, 1e-4, -1e-3, 1e-2])
def test_drift_is_followed_through_its_jumps(drift):
    infrared = camera((1 + drift) / 30, 2000, start=0.005)
    record = play(Record(), camera(1 / 30, 2000), infrared)

    assert record.pairer.drift == pytest.approx(drift, abs=2e-5)
    fates = Counter(record.fates("visible").values())
    assert fates[""] > 1950  # where the phase jumps, a frame may go


def test_a_known_offset_is_taken_out():
    record = play(Record({"offset": 0.1}), camera(1 / 30, 60), camera(1 / 30, 60, start=0.1))

    assert pairs(record) == [(i, i) for i in range(60)]
    assert record.pairer.offset == pytest.approx(0.1)


def test_a_partner_that_has_come_is_not_waited_for():
    record = Record()
    for n in range(3):
        record.push("infrared", n, n / 30)
        record.push("visible", n, n / 30 + 0.002)

    assert record.take(2 / 30 + 0.002)[-1] == (2, 2, "")


def test_without_its_partner_a_frame_waits_one_period_then_goes():
    record = play(Record(), camera(1 / 30, 10), camera(1 / 30, 10))
    record.push("visible", 10, 10 / 30)

    assert record.take(10 / 30 + 0.03) == []
    assert record.pairer.wait(10 / 30 + 0.03) == pytest.approx(1 / 30 - 0.03)
    assert record.take(10 / 30 + 0.034) == []
    assert record.fates("visible")[10] == "no partner"


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.3])
def test_a_slow_infrared_camera_of_a_slow_transport_is_waited_for(delay):
    visible, infrared = camera(1 / 30, 600), camera(1 / 9, 180, start=0.05)
    fates = Counter(play(Record(), visible, infrared, delay).fates("visible").values())
    assert fates[""] >= 590


def test_an_infrared_frame_from_just_before_the_last_picture_serves_the_next_one():
    record = play(Record(), camera(1 / 30, 60), camera(1 / 9, 18))
    record.pairer.lose("infrared")
    record.push("visible", 60, 2.0)
    assert record.take(2.0) == [(60, None, "infrared down")]
    record.push("infrared", 18, 1.99, 2.01)
    record.push("visible", 61, 2 + 1 / 30)
    assert record.take(2 + 1 / 30) == [(61, 18, "")]


def test_a_live_side_holds_eight_frames_and_no_more():
    record = Record()
    for index in range(8):
        record.push("visible", index, index / 30)
    assert not record.settled
    record.push("visible", 8, 8 / 30)
    assert record.fates("visible") == {0: "no partner"}


def test_repeated_and_older_times_are_named():
    record = Record()
    for index, time in enumerate((0.0, 0.1, 0.1, 0.05, 0.2)):
        record.push("visible", index, time, now=index / 10)

    assert record.fates("visible") == {2: "duplicate", 3: "late"}


def test_an_infrared_frame_whose_moment_has_passed_is_late():
    record = play(Record(), camera(1 / 30, 30), camera(1 / 30, 15))
    record.push("infrared", 99, 20 / 30, now=1.0)

    assert record.fates("infrared")[99] == "late"


def test_frames_that_find_no_partner_are_shown_when_there_was_no_pair_for_long():
    record = Record()
    for n in range(300):  # both deliver, on clocks that are a minute apart
        record.push("visible", n, n / 30)
        record.push("infrared", n, n / 30 + 60, now=n / 30 + 0.01)
        record.take(n / 30 + 0.01)

    alone = [m for m in record.matches if m.reason == "no partner"]
    assert not pairs(record) and [m.visible.index for m in alone] == list(range(45, 300))
    record.check_closed()


@pytest.mark.parametrize(("apart", "said"), [(60, "lie +"), (-60, "lie -"), (0, "")])
def test_it_says_why_cameras_that_deliver_are_not_paired(apart, said):
    record = Record()
    for n in range(400):
        record.push("visible", n, n / 30)
        record.push("infrared", n, n / 30 + apart, now=n / 30 + 0.01)
        record.take(n / 30 + 0.01)
        if n == 200:
            assert not record.pairer.complaint(n / 30)  # that is not long yet

    complaint = record.pairer.complaint(400 / 30)
    assert said in complaint and bool(said) == bool(complaint)
    assert not record.pairer.complaint(100)  # now both are down, which is said elsewhere


@pytest.mark.parametrize("gone", ["visible", "infrared"])
def test_what_is_left_goes_on_alone_and_pairs_again(gone):
    both, rest = camera(1 / 30, 30), camera(1 / 30, 120, start=1.0)
    back = [(i, t) for i, t in camera(1 / 30, 120, start=1.0) if t > 4]
    sides = {"visible": both + [(30 + i, t) for i, t in rest]}
    sides["infrared"] = both + [(30 + i, t) for i, t in back]
    if gone == "visible":
        sides["visible"], sides["infrared"] = sides["infrared"], sides["visible"]
    record = play(Record(), sides["visible"], sides["infrared"])

    alone = [m for m in record.matches if m.reason]
    assert {m.reason for m in alone} == {f"{gone} down"}
    assert all(getattr(m, gone) is None for m in alone)
    other = "infrared" if gone == "visible" else "visible"
    times = [getattr(m, other).time for m in alone]
    assert times[0] - 29 / 30 < 1.6 and times[-1] > 3.9  # seen within 2 s; until it is back
    assert pairs(record)[-1] == (149, 149)
    record.check_closed()


def test_a_camera_that_is_known_to_be_down_is_not_waited_for():
    record = play(Record(), camera(1 / 30, 30), camera(1 / 30, 30))
    record.pairer.lose("infrared")
    record.push("visible", 30, 1.0)
    assert record.take(1.0) == [(30, None, "infrared down")]

    record.push("infrared", 31, 31 / 30)
    record.push("visible", 31, 31 / 30)
    assert record.take(31 / 30) == [(31, 31, "")]


def test_a_slow_consumer_gets_the_newest():
    record, ages = Record(), []
    now, pushed = 0.0, 0
    for _ in range(100):
        now += 0.15
        while pushed / 30 <= now:
            record.push("infrared", pushed, pushed / 30)
            record.push("visible", pushed, pushed / 30)
            pushed += 1
        if record.take(now, most=1):
            ages.append(now - record.matches[-1].visible.time)

    assert max(ages) <= 1 / 30
    fates = Counter(record.fates("visible").values())
    assert set(fates) == {"", "overrun"}
    assert set(record.fates("infrared").values()) == {"", "overrun"}
    record.check_closed()


def test_it_does_not_matter_which_file_is_read_faster():
    record = Record({"live": False})
    visible, infrared = camera(0.1, 4), camera(0.2, 2, start=0.001)
    record.push("visible", *visible[0])
    for frame in infrared:
        record.push("infrared", *frame)
    record.pairer.end("infrared")

    assert record.take(0.0) == []  # how far apart partners may be is not known yet
    for frame in visible[1:]:
        record.push("visible", *frame)
    assert record.take(0.0) == [(0, 0, ""), (1, 0, ""), (2, 1, ""), (3, 1, "")]


def test_files_lose_nothing_and_say_when_they_are_full():
    record = Record({"live": False, "length": 2})
    waiting = {"visible": camera(1 / 30, 50), "infrared": camera(1 / 7, 10)}
    while not record.pairer.exhausted:
        for side, frames in waiting.items():
            while frames and not record.pairer.full(side):
                record.push(side, *frames.pop(0), now=0.0)
            if not frames:
                record.pairer.end(side)
        record.take(0.0)

    assert [v for v, _ in pairs(record)] == list(range(len(pairs(record))))
    fates = record.fates("visible")
    assert len(fates) == 50 and set(fates.values()) == {"", "infrared ended"}
    record.check_closed()


def test_files_are_paired_by_index_whatever_their_times():
    record = Record({"live": False, "by_index": True})
    for index in range(5):
        record.push("visible", index, index / 30, now=0)
        record.push("infrared", index, 100 - index, now=0)
    record.push("visible", 5, 9.0, now=0)
    record.pairer.end("visible")
    record.pairer.end("infrared")

    assert record.take(0) == [*((i, i, "") for i in range(5)), (5, None, "infrared ended")]
    record.check_closed()


def test_what_could_not_be_fused_is_counted_so_on_both_sides():
    record = play(Record(), camera(1 / 30, 10), camera(1 / 30, 10))
    record.push("infrared", 10, 10 / 30)
    record.push("visible", 10, 10 / 30)
    assert record.pairer.take(10 / 30)
    for n in range(11, 14):  # it is let go while it is being fused
        record.push("infrared", n, n / 30)
        record.push("visible", n, n / 30)
    record.pairer.done("refused")
    record.pairer.close()

    assert record.fates("visible")[10] == record.fates("infrared")[10] == "refused"


PERIODS = [1 / 60, 1 / 30, 1 / 25, 1 / 15, 1 / 9, 1 / 5]
FAULTS = ["drop", "stall", "back", "repeat", "delay"]


@st.composite
def cameras(draw):
    """Frames of one camera as they arrive: (arrival, index, time)."""
    period = draw(st.sampled_from(PERIODS)) * (1 + draw(st.sampled_from([0, 1e-4, -1e-2])))
    count, start = draw(st.integers(0, 60)), draw(st.sampled_from([0.0, 0.005, 0.5]))
    jitter, share = draw(st.sampled_from([0, 0.002, 0.05])), draw(st.sampled_from([0, 0.1, 0.5]))
    random = Random(draw(st.integers(0, 2**32)))
    time, arrivals = start, []
    for index in range(count):
        fault = random.choice(FAULTS) if random.random() < share else ""
        time += {"stall": 3.0, "back": -0.3, "repeat": -period}.get(fault, 0.0)
        arrived = time + random.uniform(0, jitter) + (0.4 if fault == "delay" else 0.0)
        if fault != "drop":
            arrivals.append((arrived, index, time))
        time += period
    return arrivals


@settings(max_examples=2000, deadline=None)
@given(
    sides=st.tuples(cameras(), cameras()),
    live=st.booleans(),
    length=st.integers(2, 8),
    pause=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_any_sequence_is_accounted_for(sides, live, length, pause):
    record = Record({"live": live, "length": length})
    events = sorted(
        (arrived, name, index, time)
        for name, side in zip(("visible", "infrared"), sides, strict=True)
        for arrived, index, time in side
    )
    ready = 0.0  # when the consumer has time again
    for now, side, index, time in events:
        record.push(side, index, time, now)
        if now >= ready:
            record.take(now, most=1 if pause else 1000)
            ready = now + pause
        if live:
            visible, infrared = record.pairer._tracks.values()
            for track, other in ((visible, infrared), (infrared, visible)):
                behind = min(max(0.0, other.lag - track.lag), 1.5)  # `silence`
                assert len(track.held) <= length + (behind / track.period if track.period else 0)
    for side in ("visible", "infrared"):
        record.pairer.end(side)
    record.take(events[-1][0] if events else 0.0)

    assert record.pairer.exhausted
    if not live:
        assert "overrun" not in {reason for *_, reason in record.settled}
    widest = max(t.period or 0 for t in record.pairer._tracks.values())
    times = []
    for match in record.matches:
        frame = match.visible or match.infrared
        times.append(frame.time)
        if not match.reason:
            assert match.visible and match.infrared
            assert widest or match.visible.time == match.infrared.time
    assert times == sorted(set(times))  # in order, none twice
    used = {m.infrared.index for m in record.matches if not m.reason}
    fused = {i for i, reason in record.fates("infrared").items() if not reason}
    record.check_closed()
    assert used == fused
    visible = [m.visible.index for m in record.matches if not m.reason]
    assert sorted(visible) == sorted(i for i, r in record.fates("visible").items() if not r)


def test_the_rate_of_a_side():
    record = Record()
    assert record.pairer.rate("visible") == 0.0
    for number in range(40):
        record.push("visible", number, number / 8)
    assert record.pairer.rate("visible") == pytest.approx(8.0)
    assert record.pairer.rate("infrared") == 0.0
