"""Two sources in, one stream of results out."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal

from ship_deploy.errors import UserError
from ship_deploy.results import Clock, Frame, Output, Result, SourceStatistics, Statistics
from ship_deploy.streams.compositor import Compositor, Fuse, Prepare
from ship_deploy.streams.ledger import Ledger
from ship_deploy.streams.outputs import close_all
from ship_deploy.streams.pairer import Pair, Pairer
from ship_deploy.streams.preparation import Preparation
from ship_deploy.streams.reader import BACK_OFF, REMIND, Reader
from ship_deploy.streams.sequences import side_by_side
from ship_deploy.streams.shared_clock import SharedClock, SharedTimeline
from ship_deploy.streams.sources import OPEN_DEADLINE, READ_DEADLINE, Source
from ship_deploy.streams.timeline import Timeline
from ship_deploy.streams.tracing import span
from ship_deploy.streams.track import FUSED, Side

STOPPING = 0.5  # seconds that readers are waited for at the end
REFUSED, FAILED = "refused", "failed"  # by `fuse` or `prepare`: a UserError, any other error

_log = logging.getLogger("ship_deploy.streams")


class Pipeline:
    """Fuses two live cameras, or two files, frame by frame, for as long as they run.

    Each source is read in a thread of its own; pairing, fusing and what the caller does with a
    result happen in the caller's thread. With live cameras the newest frames are taken and older
    ones dropped where that thread is slow, so latency stays bounded. When one camera fails, results
    show the other one alone until it is back. Files are paired without dropping anything. `Pairer`
    says how frames are paired and what they are dropped for.

    How frames are placed in time is told by `Source`. Memory is bounded: `length` frames a side,
    those that wait for a slower transport, and the few under way. For the network's own threads
    see `Fuser(threads=...)`; OpenCV's are set by `cv2.setNumThreads`. Use as a context manager.

    Args:
        visible: source of uint8 frames; of 16-bit ones the upper 8 bits are kept, of those that
            the brightest sample so far needs.
        infrared: source of 8 or 16-bit frames; both sources are live or both are not.
        fuse: a `Fuser`, or any such function. Its UserError costs one frame, which then goes out
            alone with the message as reason; a LastingError and any other error end the stream.
        prepare: makes an infrared frame 8 bits and aligned; `Preparation()` if not given. What is
            said of `fuse`'s errors holds for its own.
        pair_by: "time", or "index" for files whose frames belong together one by one.
        offset: seconds that infrared times lie after visible ones of the same moment.
        deadlines: seconds in which a camera has to open, and to give a frame; the latter longer
            than its period.
        back_off: seconds between attempts to open a camera again, the first and the longest.
        length: frames held for a side, 2 or more, beside those that wait for a slower transport of
            the other, at most for as long as the second deadline.
        clock: seconds; for tests.

    Raises:
        UserError: sources that do not go together.

    Examples:
        >>> with Pipeline(find_source("0"), find_source("1"), Fuser()) as pipeline:
        ...     for result in pipeline:
        ...         show(result.image)
    """

    def __init__(
        self,
        visible: Source,
        infrared: Source,
        fuse: Fuse,
        *,
        prepare: Prepare | None = None,
        pair_by: Literal["time", "index"] = "time",
        offset: float = 0.0,
        deadlines: tuple[float, float] = (OPEN_DEADLINE, READ_DEADLINE),
        back_off: tuple[float, float] = BACK_OFF,
        length: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if visible.live != infrared.live:
            live, file = (visible, infrared) if visible.live else (infrared, visible)
            what = f"{live.name} is live, {file.name} is not"
            raise UserError(f"{what}; give two cameras or two files")
        if visible.live and pair_by == "index":
            raise UserError("cameras are paired by time; pairing by index is for files")
        period = None
        if pair_by == "time":
            visible, infrared, period = side_by_side(visible, infrared)
        self._live, self._clock, self._start = visible.live, clock, clock()
        self._compositor = Compositor(fuse, prepare or Preparation(), clock)
        self._ledger = Ledger()
        self._pairer = Pairer(
            self._ledger.settle,
            self._start,
            live=visible.live,
            by_index=pair_by == "index",
            period=period,
            offset=offset,
            silence=deadlines[1],
            length=length,
        )
        self._changed = threading.Condition()  # guards the pairer, the ledger and what follows
        self._stopping = self._closed = False
        self._busy_since: float | None = None
        self._problem: UserError | None = None
        self._complained = float("-inf")  # when the log was last told that nothing is paired
        sources: dict[Side, Source] = {"visible": visible, "infrared": infrared}
        shared = SharedClock() if visible.clock == infrared.clock == "shared" else None
        self._follows: Clock = "shared" if shared else "own"
        self._readers = {
            side: Reader(
                source,
                _PipelineSink(self, side),
                deadlines=deadlines,
                back_off=back_off,
                clock=clock,
                timeline=_timelines(shared),
            )
            for side, source in sources.items()
        }

    def __enter__(self) -> "Pipeline":
        for reader in self._readers.values():
            reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        until = time.monotonic() + STOPPING
        for reader in self._readers.values():
            reader.join(max(0.0, until - time.monotonic()))
        with self._changed:
            self._closed = True
            self._pairer.close()

    def __iter__(self) -> Iterator[Result]:
        """Results as they come, until both files have ended or `stop` is called.

        Raises:
            UserError: a file cannot be read.
        """
        while pair := self._next():
            self._busy_since = self._clock()
            outcome = FAILED
            try:
                result = self._compose(pair)
                outcome = pair.reason or (FUSED if result.fused else REFUSED)
            finally:
                with self._changed:
                    self._pairer.done(outcome)
            latency = result.done - result.time if self._live and result.fused else None
            with self._changed:
                if self._closed:
                    return
                self._ledger.count(result.fused, result.done, latency)
            yield result
            self._busy_since = None

    @property
    def busy(self) -> float:
        """Seconds since the frames were taken that are being fused or written; 0.0 between them."""
        since = self._busy_since
        return 0.0 if since is None else self._clock() - since

    def run(self, *outputs: Output) -> None:
        """Write every result to all outputs, and close them at the end, however it comes."""
        try:
            for result in self:
                for output in outputs:
                    output.write(result)
        finally:
            close_all(outputs)

    def stop(self) -> None:
        """End the iteration, from any thread or from a signal handler's."""
        self._stopping = True
        for reader in self._readers.values():
            reader.stop()
        with self._changed:
            self._changed.notify_all()

    def statistics(self) -> Statistics:
        """Counts, rates and times at this moment; from any thread."""
        with self._changed:
            now, ledger = self._clock(), self._ledger
            return Statistics(
                visible=self._source_statistics("visible"),
                infrared=self._source_statistics("infrared"),
                live=self._live,
                fused=ledger.fused,
                alone=ledger.alone,
                rate=ledger.rate(now),
                latency_p50=ledger.latency(0.5),
                latency_p99=ledger.latency(0.99),
                offset=self._pairer.offset,
                drift=self._pairer.drift,
                uptime=now - self._start,
            )

    def _source_statistics(self, side: Side) -> SourceStatistics:
        reader, ledger = self._readers[side], self._ledger
        return SourceStatistics(
            name=reader.source.name,
            state=reader.state,
            received=ledger.received[side],
            fused=ledger.used(side),
            dropped=ledger.dropped(side),
            attempts=reader.attempts,
            reconnections=max(0, reader.connections - 1),
            rate=self._pairer.rate(side) if reader.state == "live" else 0.0,
            clock=self._follows,
            by_arrival=reader.by_arrival,
        )

    def _next(self) -> Pair | None:
        with self._changed:
            while not self._stopping:
                now = self._clock()
                self._watch(now)
                if pair := self._pairer.take(now):
                    self._changed.notify_all()  # there is room for a file's next frame
                    return pair
                if self._problem:
                    raise self._problem
                if self._pairer.exhausted:
                    return None
                self._changed.notify_all()
                self._changed.wait(self._pairer.wait(now))
        return None

    def _compose(self, pair: Pair) -> Result:
        """The result of a pair, which a span and a record of the log tell of."""
        frame = pair.visible or pair.infrared
        with span("frame", frame.time if frame and self._live else None) as current:
            result = self._compositor.compose(pair)
            told = _describe(result)
            if current:
                current.set_attributes({f"ship_deploy.{key}": v for key, v in told.items()})
        _log.debug("result", extra={"event": "result", **told})
        return result

    def _watch(self, now: float) -> None:
        """Say in the log, now and then, that cameras which deliver are not paired, and why."""
        if now - self._complained >= REMIND and (complaint := self._pairer.complaint(now)):
            self._complained = now
            _log.warning("%s", complaint, extra={"event": "unpaired"})

    def _receive(self, side: Side, frame: Frame, moment: float) -> None:
        with self._changed:
            while not (self._live or self._stopping) and self._pairer.full(side):
                self._changed.wait()
            if not self._closed:
                self._ledger.received[side] += 1
                self._pairer.push(side, frame, moment, self._clock())
                self._changed.notify_all()

    def _refuse(self, side: Side, reason: str) -> None:
        with self._changed:
            if not self._closed:
                self._ledger.received[side] += 1
                self._ledger.settle(side, None, reason)

    def _lose(self, side: Side) -> None:
        with self._changed:
            self._pairer.lose(side)
            self._changed.notify_all()

    def _finish(self, side: Side, error: UserError | None) -> None:
        with self._changed:
            self._problem = self._problem or error
            self._pairer.end(side)
            self._changed.notify_all()


def _describe(result: Result) -> dict[str, bool | str | int | float]:
    """A result without its pictures; frames by their index, times in seconds."""
    frames = {"visible": result.visible, "infrared": result.infrared}
    return {
        **{side: frame.index for side, frame in frames.items() if frame},
        "fused": result.fused,
        "reason": result.reason,
        "captured": result.time,
        "done": result.done,
    }


def _timelines(shared: SharedClock | None) -> Callable[[], Timeline | SharedTimeline]:
    """What a source's frames are placed by: one for all its connections if its clock is shared."""
    if shared is None:
        return Timeline
    timeline = SharedTimeline(shared)
    return lambda: timeline


class _PipelineSink:
    """What a reader gives its frames to; see `Sink`."""

    def __init__(self, pipeline: Pipeline, side: Side) -> None:
        self._pipeline, self._side = pipeline, side

    def receive(self, frame: Frame, moment: float) -> None:
        self._pipeline._receive(self._side, frame, moment)

    def refuse(self, reason: str) -> None:
        self._pipeline._refuse(self._side, reason)

    def lose(self) -> None:
        self._pipeline._lose(self._side)

    def finish(self, error: UserError | None) -> None:
        self._pipeline._finish(self._side, error)
