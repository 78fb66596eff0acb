"""Which infrared frame belongs to which visible one, and why a frame belongs to none."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeAlias

from ship_deploy.streams.drift import Drift
from ship_deploy.streams.frame import Frame

Side: TypeAlias = Literal["visible", "infrared"]
Settle: TypeAlias = Callable[[Side, Frame, str], None]

FUSED = ""  # the reason of a frame that was fused
LATE, DUPLICATE, NO_PARTNER = "late", "duplicate", "no partner"
OVERRUN, STOPPED = "overrun", "stopped"
WINDOW = 31  # intervals that a period is the median of: half of them may be off
EQUAL_RATES = 0.05  # relative; between rates that differ by more there is no phase to follow


@dataclass(frozen=True)
class Match:
    """What to make next: a pair, or one frame alone and why."""

    visible: Frame | None
    infrared: Frame | None
    reason: str


@dataclass(eq=False)
class _Held:
    frame: Frame
    time: float  # infrared: less the offset
    arrived: float
    fate: str = NO_PARTNER
    released: bool = False


class _Track:
    """One side: what waits, how fast it comes, whether it still does."""

    def __init__(self, side: Side, now: float, period: float | None) -> None:
        self.side: Side = side
        self.held: deque[_Held] = deque()
        self.last = float("-inf")  # time of the newest frame
        self.arrived = now
        self.ended = self.lost = False
        self.intervals: deque[float] = deque([period] if period else [], WINDOW)
        self.period = period

    def beat(self, time: float, now: float) -> None:
        if self.last > float("-inf"):
            self.intervals.append(time - self.last)
            self.period = median(self.intervals)
        self.last, self.arrived, self.lost = time, now, False


class Pairer:
    """Pairs two streams of frames by time. It has no thread and no clock: `now` is handed in.

    Every visible frame gets the infrared one that is nearest in time, if that is within half the
    slower camera's period. So a slow infrared camera's frame is fused with several visible ones,
    and the fused stream has the visible camera's rate; a fast one's surplus frames find no partner.
    A frame waits for its partner for at most the slower period, and the offset. When a side is
    silent or has ended, the other one's frames are given out alone. Results come in order of time.

    Each frame that was pushed is settled once, with one of these reasons: "" (fused), "late" (its
    moment had passed), "duplicate" (the time of the frame before), "no partner", "overrun" (the
    consumer is slow: a newer one was taken, or this one grew old), "visible down", "infrared ended"
    and so on (given out alone), "stopped", or what `done` was told.

    Args:
        settle: called with side, frame and reason, once a frame.
        now: seconds; the start.
        live: for cameras: what is old is dropped for what is new. Otherwise nothing is: a frame
            waits until its partner came or its side ended, and `full` says when to hold a source.
        by_index: pair frames of equal index, not by time.
        offset: seconds that infrared times lie after visible ones of the same moment.
        silence: seconds without a frame after which a live camera is down; three periods if longer.
        length: frames held for a side; more than the offset is long.
    """

    def __init__(
        self,
        settle: Settle,
        now: float = 0.0,
        *,
        live: bool = True,
        by_index: bool = False,
        offset: float = 0.0,
        silence: float = 1.5,
        length: int = 8,
    ) -> None:
        self._settle, self._live, self._by_index = settle, live, by_index
        self._offset, self._silence, self._length = offset, silence, length
        period = 1.0 if by_index else None
        self._visible = _Track("visible", now, period)
        self._infrared = _Track("infrared", now, period)
        self._tracks = {"visible": self._visible, "infrared": self._infrared}
        self._passed = float("-inf")  # time up to which all is decided
        self._out: tuple[_Held | None, _Held | None] = (None, None)  # the match that is being made
        self._differences: deque[float] = deque(maxlen=2 * WINDOW)
        self._drift = Drift()

    def push(self, side: Side, frame: Frame, now: float) -> None:
        """Take a frame that came at `now`."""
        track = self._tracks[side]
        time = float(frame.index) if self._by_index else frame.time
        if side == "infrared" and not self._by_index:
            time -= self._offset
        if time <= track.last:
            self._settle(side, frame, DUPLICATE if time == track.last else LATE)
            return
        track.beat(time, now)
        slack = 0.0 if side == "visible" else self._tolerance or 0.0
        if time + slack <= self._passed:
            self._settle(side, frame, LATE)
            return
        track.held.append(_Held(frame, time, now))
        self._release()
        if self._live and len(track.held) > self._length:
            self._push_out(track, now)

    def end(self, side: Side) -> None:
        """Say that no more frames come from a side."""
        self._tracks[side].ended = True

    def lose(self, side: Side) -> None:
        """Say that a camera is known to be down, until its next frame comes."""
        self._tracks[side].lost = True
        self._drift = Drift()  # it will start at another phase

    def full(self, side: Side) -> bool:
        """Whether a source that is not live should wait before it pushes."""
        return len(self._tracks[side].held) >= self._length

    def take(self, now: float) -> Match | None:
        """The next match, or None as long as there is none. `done` comes before the next call."""
        visible, infrared = self._visible.held, self._infrared.held
        behind = bool(visible) and self._stale(visible[0], now)
        while visible and (found := self._partner(visible[0], now)):
            held, (partner, reason) = visible.popleft(), found
            self._passed = held.time
            if reason == NO_PARTNER:
                self._settle("visible", held.frame, reason)
            elif behind and visible and self._partner(visible[0], now):
                self._overrun(held, partner)
            else:
                return self._give(held, partner, reason)
            self._release()
        if visible or not (reason := self._gone(self._visible, now)):
            return None
        while infrared:
            held = infrared.popleft()
            if held.fate == NO_PARTNER and held.time > self._passed:
                if not self._stale(held, now):
                    return self._give(None, held, reason)
                held.fate = OVERRUN
            self._let_go(held)
        return None

    def done(self, reason: str) -> None:
        """Say how the last match went: "" if it was fused, or why not."""
        visible, infrared = self._out
        self._out = None, None
        if visible:
            self._settle("visible", visible.frame, reason)
        if infrared:
            infrared.fate = FUSED if FUSED in (reason, infrared.fate) else reason
            if infrared.released:
                self._settle("infrared", infrared.frame, infrared.fate)
        self._release()

    def close(self) -> None:
        """Settle whatever is held or being made; `done` has no effect any more."""
        self.done(STOPPED)
        for held in self._visible.held:
            self._settle("visible", held.frame, STOPPED)
        for held in self._infrared.held:
            fate = STOPPED if held.fate == NO_PARTNER else held.fate
            self._settle("infrared", held.frame, fate)
        self._visible.held.clear()
        self._infrared.held.clear()

    def wait(self, now: float) -> float:
        """Seconds after which `take` may have something although nothing was pushed."""
        moments = [track.arrived + self._silent_after(track) for track in self._tracks.values()]
        moments += [held.arrived + self._patience for held in list(self._visible.held)[:1]]
        return min((m - now for m in moments if m > now), default=self._silence)

    @property
    def exhausted(self) -> bool:
        """Whether both sides have ended and nothing is left to take."""
        return all(track.ended and not track.held for track in self._tracks.values())

    @property
    def offset(self) -> float | None:
        """Seconds that infrared frames lie after their visible ones; None before the first pair."""
        return median(self._differences) + self._offset if self._differences else None

    @property
    def drift(self) -> float | None:
        """Seconds a second by which the offset grows, if it is known and the rates are equal."""
        return self._drift.slope

    def rate(self, side: Side) -> float:
        """Frames per second of a side's own times; 0.0 if not known."""
        period = self._tracks[side].period
        return 1 / period if period else 0.0

    @property
    def _tolerance(self) -> float | None:
        """Seconds that partners may lie apart: half the slower period; None: not known yet."""
        if any(track.period is None and not track.ended for track in self._tracks.values()):
            return None
        return max(track.period or 0.0 for track in self._tracks.values()) / 2

    @property
    def _patience(self) -> float:
        """Seconds that a live visible frame waits for its partner."""
        tolerance = self._tolerance
        period = self._silence if tolerance is None else min(2 * tolerance, self._silence)
        return period + max(self._offset, 0.0)

    def _silent_after(self, track: _Track) -> float:
        return max(self._silence, 3 * (track.period or 0.0))

    def _gone(self, track: _Track, now: float) -> str:
        """Why nothing is to be expected of a side; "" if something is."""
        if track.ended:
            return f"{track.side} ended"
        silent = self._live and now - track.arrived >= self._silent_after(track)
        return f"{track.side} down" if silent or track.lost else ""

    def _partner(self, visible: _Held, now: float) -> tuple[_Held | None, str] | None:
        """The infrared frame for a visible one, or why there is none; None: not known yet."""
        track, tolerance, gap, nearest = self._infrared, self._tolerance, float("inf"), None
        for held in track.held:
            if abs(held.time - visible.time) < gap:
                nearest, gap = held, abs(held.time - visible.time)
        gone = self._gone(track, now)
        if tolerance is None:  # too few frames to tell what is near
            return (nearest, "") if gap == 0 else (None, gone) if gone else None
        near = gap <= tolerance
        # The frame after one that is within half a period of its own is not nearer.
        nearest_known = track.last >= visible.time or (
            self._live and near and gap <= (track.period or 0) / 2
        )
        waited = self._live and now - visible.arrived >= self._patience
        if not (nearest_known or waited or gone):
            return None
        if near:
            return nearest, ""
        return None, gone or NO_PARTNER

    def _give(self, visible: _Held | None, infrared: _Held | None, reason: str) -> Match:
        self._out = visible, infrared
        if infrared and not visible:
            self._passed = infrared.time
            infrared.released = True  # it is held no more
        if visible and infrared:
            self._differences.append(infrared.time - visible.time)
            self._follow_drift(visible.time, infrared.time - visible.time)
        return Match(
            visible.frame if visible else None, infrared.frame if infrared else None, reason
        )

    def _follow_drift(self, time: float, difference: float) -> None:
        fast, slow = sorted((self._visible.period or 0, self._infrared.period or 0))
        if slow - fast <= EQUAL_RATES * slow:
            self._drift.add(time, difference, slow)
        else:
            self._drift = Drift()

    def _stale(self, held: _Held, now: float) -> bool:
        """Whether a frame is older than pairing makes it: then the consumer is slow."""
        limit = self._patience + (self._visible.period or 0.0)
        return self._live and now - held.arrived > limit

    def _overrun(self, visible: _Held, partner: _Held | None) -> None:
        self._settle("visible", visible.frame, OVERRUN)
        if partner and partner.fate == NO_PARTNER:
            partner.fate = OVERRUN  # unless a later frame still takes it

    def _push_out(self, track: _Track, now: float) -> None:
        """A side is full: the oldest frame goes, for want of a consumer or of a partner."""
        waiting = self._visible.held
        found = self._partner(waiting[0], now) if waiting else None
        oldest = track.held.popleft()
        if track is self._infrared:
            oldest.fate = OVERRUN if found and oldest.fate == NO_PARTNER else oldest.fate
            self._let_go(oldest)
        elif found:
            self._overrun(oldest, found[0])
        else:
            self._settle("visible", oldest.frame, NO_PARTNER)

    def _release(self) -> None:
        """Let go of infrared frames that no visible frame can want: a later one is nearer."""
        held, visible = self._infrared.held, self._visible
        horizon = visible.held[0].time if visible.held else visible.last
        while len(held) > 1 and held[1].time <= horizon:
            self._let_go(held.popleft())

    def _let_go(self, held: _Held) -> None:
        if held is self._out[1]:
            held.released = True  # `done` settles it
        else:
            self._settle("infrared", held.frame, held.fate)
