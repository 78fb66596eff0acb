"""Which infrared frame belongs to which visible one, and why a frame belongs to none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ship_deploy.results import Frame
from ship_deploy.streams.phase import Phase
from ship_deploy.streams.track import (
    DUPLICATE,
    FUSED,
    LATE,
    NO_PARTNER,
    OVERRUN,
    STOPPED,
    Held,
    Side,
    Track,
)

Settle: TypeAlias = Callable[[Side, Frame, str], None]
UNPAIRED = 10.0  # seconds without a pair that are worth a complaint


@dataclass(frozen=True)
class Pair:
    """What to fuse next: two frames of one moment; or one frame alone, and why."""

    visible: Frame | None
    infrared: Frame | None
    reason: str


class Pairer:
    """Pairs two streams of frames by time. It has no thread and no clock: `now` is handed in.

    Every visible frame gets the infrared one that is nearest in time, if that is within half the
    slower camera's period. So a slow infrared camera's frame is fused with several visible ones,
    and the fused stream has the visible camera's rate; a fast one's surplus frames find no partner.
    A frame waits for its partner for at most the slower period after an infrared frame of the same
    moment would have come if it took as long as the slowest of the last 31; `silence` bounds the
    latter. When a side is silent or has ended, the other one's frames are given out alone; so are
    visible frames without a partner if there was no pair for `silence`. Results come in order of
    time.

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
        period: seconds between the frames of both sides, if that is known.
        offset: seconds that infrared times lie after visible ones of the same moment.
        silence: seconds without a frame after which a live camera is down; three periods if longer.
        length: frames held for a side, beside those that wait for a slower transport of the other.
    """

    def __init__(
        self,
        settle: Settle,
        now: float = 0.0,
        *,
        live: bool = True,
        by_index: bool = False,
        period: float | None = None,
        offset: float = 0.0,
        silence: float = 1.5,
        length: int = 8,
    ) -> None:
        self._settle, self._live, self._by_index = settle, live, by_index
        self._offset, self._silence, self._length = offset, silence, length
        period = 1.0 if by_index else period
        patience = silence if live else float("inf")
        self._visible = Track("visible", now, patience, period)
        self._infrared = Track("infrared", now, patience, period)
        self._tracks = {"visible": self._visible, "infrared": self._infrared}
        self._passed = float("-inf")  # time up to which all is decided
        self._paired = now  # when the last pair was given
        self._apart: float | None = None  # seconds to the partner that was too far away
        self._out: tuple[Held | None, Held | None] = (None, None)  # the pair that is being fused
        self._phase = Phase()

    def push(self, side: Side, frame: Frame, moment: float, now: float) -> None:
        """Take a frame that came at `now`; it is paired by `moment`, seconds on any one clock."""
        track = self._tracks[side]
        time = float(frame.index) if self._by_index else moment
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
        track.held.append(Held(frame, time, now))
        self._release()
        for track in self._tracks.values() if self._live else ():
            while len(track.held) > self._room(track):
                self._push_out(track, now)

    def end(self, side: Side) -> None:
        """Say that no more frames come from a side."""
        self._tracks[side].ended = True

    def lose(self, side: Side) -> None:
        """Say that a camera is known to be down, until its next frame comes."""
        self._tracks[side].lost = True
        self._phase.restart()

    def full(self, side: Side) -> bool:
        """Whether a source that is not live should wait before it pushes."""
        return len(self._tracks[side].held) >= self._length

    def take(self, now: float) -> Pair | None:
        """The next pair, or None as long as there is none. `done` comes before the next call."""
        visible, infrared = self._visible.held, self._infrared.held
        behind = False
        while visible and (found := self._partner(visible[0], now)):
            held, (partner, reason) = visible.popleft(), found
            self._passed = held.time
            if reason == NO_PARTNER and not (self._live and now - self._paired > self._silence):
                self._settle("visible", held.frame, reason)
            else:
                behind = behind or self._stale(held, self._infrared, now)
                if not (behind and visible and self._partner(visible[0], now)):
                    return self._give(held, partner, reason, now)
                self._overrun(held, partner)
            self._release()
        if visible or not (reason := self._visible.gone(now)):
            return None
        while infrared:
            held = infrared.popleft()
            if held.fate == NO_PARTNER and held.time > self._passed:
                if not self._stale(held, self._visible, now):
                    return self._give(None, held, reason, now)
                held.fate = OVERRUN
            self._let_go(held)
        return None

    def done(self, reason: str) -> None:
        """Say how the last pair went: "" if it was fused, or why not."""
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
        """Settle whatever is held or being fused; `done` has no effect any more."""
        self.done(STOPPED)
        for held in self._visible.held:
            self._settle("visible", held.frame, STOPPED)
        for held in self._infrared.held:
            fate = STOPPED if held.fate == NO_PARTNER else held.fate
            self._settle("infrared", held.frame, fate)
        self._visible.held.clear()
        self._infrared.held.clear()

    def wait(self, now: float) -> float | None:
        """Seconds after which `take` may have something though nothing was pushed; None: never."""
        if not self._live:
            return None
        moments = [track.down_at for track in self._tracks.values()]
        moments += [self._due(held, self._infrared) for held in list(self._visible.held)[:1]]
        return min((m - now for m in moments if m > now), default=self._silence)

    @property
    def exhausted(self) -> bool:
        """Whether both sides have ended and nothing is left to take."""
        return all(track.ended and not track.held for track in self._tracks.values())

    @property
    def offset(self) -> float | None:
        """Seconds that infrared frames lie after their visible ones; None before the first pair."""
        offset = self._phase.offset
        return None if offset is None else offset + self._offset

    @property
    def drift(self) -> float | None:
        """Seconds a second by which the offset grows, if it is known and the rates are equal."""
        return self._phase.drift

    def rate(self, side: Side) -> float:
        """Frames per second of a side's own times; 0.0 if not known."""
        period = self._tracks[side].period
        return 1 / period if period else 0.0

    def complaint(self, now: float) -> str:
        """Why two live cameras that both deliver were not paired for long; "" if they were."""
        tracks = self._tracks.values()
        unpaired = now - self._paired - abs(self._offset)
        if not self._live or unpaired < UNPAIRED or any(track.gone(now) for track in tracks):
            return ""
        if self._apart is None or self._tolerance is None:
            why = "too few frames came to tell which belong together"
        else:
            why = (
                f"infrared frames lie {self._apart:+.3f} s from their visible ones, and "
                f"{self._tolerance:.3f} s, half the slower camera's period, is the most"
            )
        return f"nothing was paired for {now - self._paired:.0f} s, though both deliver: {why}"

    @property
    def _tolerance(self) -> float | None:
        """Seconds that partners may lie apart: half the slower period; None: not known yet."""
        if any(track.period is None and not track.ended for track in self._tracks.values()):
            return None
        return max(track.period or 0.0 for track in self._tracks.values()) / 2

    def _due(self, held: Held, other: Track) -> float:
        """When a live frame's partner, on the other side, should have come."""
        tolerance = self._tolerance
        period = self._silence if tolerance is None else min(2 * tolerance, self._silence)
        return held.arrived + self._bounded(held.time + other.lag - held.arrived) + period

    def _room(self, track: Track) -> int:
        """Frames that a live side may hold."""
        other = self._infrared if track is self._visible else self._visible
        behind = self._bounded(other.lag - track.lag) if track.held else 0.0
        return self._length + (int(behind / track.period) if track.period else 0)

    def _bounded(self, behind: float) -> float:
        """Seconds that are waited because one side's frames come later than the other's."""
        return min(max(behind, 0.0), self._silence + abs(self._offset))

    def _partner(self, visible: Held, now: float) -> tuple[Held | None, str] | None:
        """The infrared frame for a visible one, or why there is none; None: not known yet."""
        track, tolerance, gap, nearest = self._infrared, self._tolerance, float("inf"), None
        for held in track.held:
            if abs(held.time - visible.time) < gap:
                nearest, gap = held, abs(held.time - visible.time)
        gone = track.gone(now)
        if tolerance is None:  # too few frames to tell what is near
            # Of a file, the next frame or its end will tell, whichever side is read faster.
            return (nearest, "") if gap == 0 else (None, gone) if gone and self._live else None
        near = gap <= tolerance
        # The frame after one that is within half a period of its own is not nearer.
        nearest_known = track.last >= visible.time or (
            self._live and near and gap <= (track.period or 0) / 2
        )
        waited = self._live and now >= self._due(visible, track)
        if not (nearest_known or waited or gone):
            return None
        if near:
            return nearest, ""
        if track.last > float("-inf"):
            self._apart = (nearest.time if nearest else track.last) - visible.time
        if track.ended and visible.time <= track.last:
            gone = ""  # the frames around were there, whether they are read to their end or not
        return None, gone or NO_PARTNER

    def _give(self, visible: Held | None, infrared: Held | None, reason: str, now: float) -> Pair:
        self._out = visible, infrared
        if infrared and not visible:
            self._passed = infrared.time
            infrared.released = True  # it is held no more
        if visible and infrared:
            self._paired = now
            periods = self._visible.period or 0.0, self._infrared.period or 0.0
            self._phase.add(visible.time, infrared.time - visible.time, periods)
        return Pair(
            visible.frame if visible else None, infrared.frame if infrared else None, reason
        )

    def _stale(self, held: Held, other: Track, now: float) -> bool:
        """Whether a frame is older than pairing makes it: then the consumer is slow."""
        return self._live and now > self._due(held, other) + (self._visible.period or 0.0)

    def _overrun(self, visible: Held, partner: Held | None) -> None:
        self._settle("visible", visible.frame, OVERRUN)
        if partner and partner.fate == NO_PARTNER:
            partner.fate = OVERRUN  # unless a later frame still takes it

    def _push_out(self, track: Track, now: float) -> None:
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

    def _let_go(self, held: Held) -> None:
        if held is self._out[1]:
            held.released = True  # `done` settles it
        else:
            self._settle("infrared", held.frame, held.fate)
