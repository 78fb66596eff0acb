"""What became of every frame that came in."""

import logging
from collections import Counter, deque
from math import ceil

from ship_deploy.results import Frame
from ship_deploy.streams.track import FUSED, Side

RECENT = 512  # results that rates and latencies are taken from

_log = logging.getLogger("ship_deploy.streams")


class Ledger:
    """Counts frames, results and latencies, in constant memory."""

    def __init__(self) -> None:
        self.received: Counter[Side] = Counter()
        self.settled: dict[Side, Counter[str]] = {"visible": Counter(), "infrared": Counter()}
        self.fused = self.alone = 0
        self._done: deque[float] = deque(maxlen=RECENT)
        self._latencies: deque[float] = deque(maxlen=RECENT)

    def settle(self, side: Side, frame: Frame | None, reason: str) -> None:
        """Count a frame under the reason why it was not fused; "" if it was."""
        self.settled[side][reason] += 1
        if reason != FUSED and _log.isEnabledFor(logging.DEBUG):
            index = None if frame is None else frame.index
            said = {"event": "dropped", "side": side, "index": index, "reason": reason}
            _log.debug("%s frame dropped: %s", side, reason, extra=said)

    def count(self, fused: bool, done: float, latency: float | None) -> None:
        """Count a result, finished at `done`."""
        if fused:
            self.fused += 1
        else:
            self.alone += 1
        self._done.append(done)
        if latency is not None:
            self._latencies.append(latency)

    def used(self, side: Side) -> int:
        """Frames of a side that were fused."""
        return self.settled[side][FUSED]

    def dropped(self, side: Side) -> dict[str, int]:
        """Reason -> frames of a side that were not."""
        return {reason: n for reason, n in sorted(self.settled[side].items()) if reason != FUSED}

    def rate(self, now: float) -> float:
        """Results per second, of those that were not long ago."""
        if len(self._done) < 2:
            return 0.0
        return (len(self._done) - 1) / max(now - self._done[0], 1e-9)

    def latency(self, share: float) -> float | None:
        """Seconds that `share` of the recent results took at most; None if there are none."""
        ordered = sorted(self._latencies)
        return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
