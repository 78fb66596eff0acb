"""`ship-deploy stream`: two cameras or files in, one fused stream out."""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Literal

from ship_deploy import console
from ship_deploy.commands.amounts import parse_duration, parse_size
from ship_deploy.errors import UserError
from ship_deploy.frames import PERCENTILES
from ship_deploy.fuser import Fuser
from ship_deploy.geometry.calibration import read_calibration
from ship_deploy.geometry.shape import Crop
from ship_deploy.results import Output, SourceStatistics, Statistics
from ship_deploy.serving import Server
from ship_deploy.streams.addresses import read_address
from ship_deploy.streams.devices import read_mode
from ship_deploy.streams.outputs import ImageOutput, close_all
from ship_deploy.streams.pipeline import Pipeline
from ship_deploy.streams.preparation import Preparation
from ship_deploy.streams.push import PushOutput
from ship_deploy.streams.recordings import Keep, VideoOutput
from ship_deploy.streams.recordings.codecs import FORMATS
from ship_deploy.streams.sources import RATE, Source, VideoFile, find_source
from ship_deploy.streams.steady import Steady
from ship_deploy.supervision import notify, watchdog
from ship_deploy.thermal import Thermal, read_dead_pixels

_log = logging.getLogger("ship_deploy.commands")
PATIENCE = 0.7  # seconds that a frame under way is waited for when the command is interrupted


def stream(
    visible: str,
    infrared: str,
    output: Path | None = None,
    *,
    visible_mode: str | None = None,
    infrared_mode: str | None = None,
    pair_by: Literal["time", "index"] = "time",
    offset: float = 0.0,
    rate: float | None = None,
    segment: str | None = None,
    keep: str | None = None,
    keep_size: str | None = None,
    clock: bool = False,
    overwrite: bool = False,
    calibration: Path | None = None,
    dead_pixels: Path | None = None,
    percentiles: tuple[float, float] = PERCENTILES,
    smoothing: float = 2.0,
    clahe: float | None = None,
    black_hot: bool = False,
    crop_infrared: str | None = None,
    steady: bool = False,
    push: str | None = None,
    serve: str | None = None,
    token: str | None = None,
    give_up_after: str | None = None,
    model: str | PathLike[str] | None = None,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    signed_by: Path | None = None,
) -> None:
    """Fuse until both files end, or until interrupted; finish the output in any case.

    Args:
        visible: what `find_source` takes.
        infrared: the same.
        output: a video file, a folder for images, or None.
        visible_mode: what `read_mode` takes; None for the camera's own choice.
        infrared_mode: the same.
        pair_by: see `Pipeline`.
        offset: the same, seconds.
        rate: frames per second of what is written or sent; None for the visible file's, or 25.
        segment: how long the files of a recording are, such as "10min"; None for one file.
        keep: how long they are kept, such as "7d"; None for ever.
        keep_size: how much of them is kept, such as "200GB"; None without limit.
        clock: draw the time into what is recorded.
        overwrite: write over a video that exists, instead of beside it.
        calibration: from `ship-deploy calibrate`, or None if the frames are aligned.
        dead_pixels: image of the infrared sensor, see `read_dead_pixels`.
        percentiles: see `Thermal`; so are the three that follow.
        smoothing: the same, seconds.
        clahe: the same.
        black_hot: the same.
        crop_infrared: the part of each infrared frame that is used, see `Crop`; None for all.
        steady: smooth the picture over time where nothing moves, see `Steady`.
        push: address to send the fused stream to, see `PushOutput`, what `read_address` reads one
            from, or None.
        serve: HOST:PORT of the live page, or None.
        token: what its viewers have to know, ENV:NAME or file:PATH that holds it, or None.
        give_up_after: fail when there was no result for so long, such as "5min"; None for never.
        model: see `Fuser`; so are those that follow.
        backend: the same.
        device: the same.
        threads: the same.
        signed_by: the same.

    Raises:
        UserError: what cannot be used, read or written.
    """
    if visible == infrared == "-":
        raise UserError("both sources are -, and there is one standard input; use a named pipe")
    modes = [None if text is None else read_mode(text) for text in (visible_mode, infrared_mode)]
    sources = (
        find_source(visible, mode=modes[0]),
        find_source(infrared, infrared=True, mode=modes[1]),
    )
    visible_rate = sources[0].rate if isinstance(sources[0], VideoFile) else RATE

    def statistics() -> Statistics:
        return pipeline.statistics()

    live = sources[0].live
    patience = parse_duration(give_up_after, "--give-up-after")
    kept = Keep(
        parse_duration(keep, "--keep"), None if keep_size is None else parse_size(keep_size)
    )
    if kept != Keep() and not (live or segment):
        raise UserError("--keep and --keep-size are for cameras, or for --segment")
    video = partial(
        VideoOutput,
        rate=rate or visible_rate,
        segment=parse_duration(segment, "--segment"),
        overwrite=overwrite,
        live=live,
        keep=kept,
        clock=clock,
        statistics=statistics,
    )
    outputs: list[Output] = [_output(output, video, overwrite, sources)] if output else []
    dead = None if dead_pixels is None else read_dead_pixels(dead_pixels)
    known = None if calibration is None else read_calibration(calibration)
    thermal = Thermal(
        percentiles=percentiles, smoothing=smoothing, clahe=clahe, black_hot=black_hot, dead=dead
    )
    crop = None if crop_infrared is None else Crop(crop_infrared)
    prepare = Preparation(thermal, known, crop)
    fuser = Fuser(model, backend=backend, device=device, threads=threads, signed_by=signed_by)
    pipeline: Pipeline = Pipeline(
        *sources,
        Steady(fuser) if steady else fuser,
        prepare=prepare,
        pair_by=pair_by,
        offset=offset,
    )
    if push is not None:
        outputs.append(PushOutput(read_address(push), rate or visible_rate))
    if serve is not None:
        engine = {
            **fuser.info.as_dict(),
            "model": Path(fuser.info.model).name,
        }  # no path of this machine
        recording = outputs[0].state if outputs and isinstance(outputs[0], VideoOutput) else None
        secret = None if token is None else read_address(token)
        server = Server(serve, pipeline.statistics, engine, recording, secret)
        outputs.append(server)
        shown = f"{server.url}{'' if token is None else '?token=...'}"
        _log.info("live at %s", shown, extra={"event": "serving", "address": shown})
    run = _Run(pipeline, outputs)
    interrupt: BaseException | None = None
    hanging = watchdog() / 2  # seconds after which a frame counts as stuck in a driver
    try:
        with pipeline, console.ERR.status("Connecting") as status:
            run.start()
            notify("READY=1")
            given_up = _GivingUp(patience)
            while not run.finished.wait(0.5):
                now = pipeline.statistics()
                status.update(_summary(now))
                if pipeline.busy < hanging:
                    notify("WATCHDOG=1")
                given_up.look(now)
    except UserError as problem:
        interrupt = problem
    except (KeyboardInterrupt, SystemExit) as signal:
        # What ends a service is how cameras are left; of a file, something is missing.
        ends = live and isinstance(signal, SystemExit) and signal.code == console.TERMINATED
        interrupt = SystemExit(0) if ends else signal
    notify("STOPPING=1")
    finished = run.finished.wait(PATIENCE)
    print_account(pipeline.statistics())
    if interrupt:
        if not finished:
            close_all(outputs)
        if threading.active_count() > 1:  # in a slow network, or a camera that hangs
            _leave(interrupt)
        raise interrupt
    if run.error:
        raise run.error
    if output:
        print(getattr(outputs[0], "path", output))


class _GivingUp:
    """Raises a UserError when there was no result for `patience` seconds; None for never."""

    def __init__(self, patience: float | None) -> None:
        self._patience, self._results, self._since = patience, 0, time.monotonic()

    def look(self, now: Statistics) -> None:
        if now.fused + now.alone != self._results:
            self._results, self._since = now.fused + now.alone, time.monotonic()
        if self._patience is not None and time.monotonic() - self._since > self._patience:
            raise UserError(f"no frame from either camera for {self._patience:.0f} s; gave up")


class _Run(threading.Thread):
    """Fuses and writes; the main thread is left for signals, which a long call would hold up.

    An event says when it is done: `join` takes an interrupted wait for the thread's end
    (CPython before 3.13).
    """

    def __init__(self, pipeline: Pipeline, outputs: list[Output]) -> None:
        super().__init__(name="fuse", daemon=True)
        self._pipeline, self._outputs = pipeline, outputs
        self.error: BaseException | None = None
        self.finished = threading.Event()

    def run(self) -> None:
        try:
            self._pipeline.run(*self._outputs)
        except BaseException as error:
            self.error = error
        finally:
            self.finished.set()


def _output(
    path: Path,
    video: Callable[[Path], VideoOutput],
    overwrite: bool,
    sources: tuple[Source, Source],
) -> Output:
    if path.resolve() in {Path(source.name).resolve() for source in sources}:
        raise UserError(f"{path}: would overwrite an input; give another output")
    if path.suffix.lower() in FORMATS and not path.is_dir():
        return video(path)
    if path.suffix and not path.is_dir():
        raise UserError(f"{path}: expected a folder, or a video: {', '.join(FORMATS)}")
    return ImageOutput(path, overwrite=overwrite)


def _leave(interrupt: BaseException) -> None:
    """End the process under threads that cannot be stopped and would crash in its clean-up."""
    code = console.INTERRUPTED
    if isinstance(interrupt, SystemExit):
        code = interrupt.code if isinstance(interrupt.code, int) else console.FAILURE
    elif isinstance(interrupt, UserError):
        code = console.FAILURE
    if code:
        console.say(f"error: {interrupt}" if code == console.FAILURE else console.KEPT)
    os._exit(code)


def _summary(now: Statistics) -> str:
    parts = [f"{now.fused} fused", f"{now.alone} alone", f"{now.rate:.1f} fps"]
    if now.latency_p50 is not None and now.latency_p99 is not None:
        parts.append(f"latency {now.latency_p50 * 1000:.0f} ms")
        parts.append(f"99% below {now.latency_p99 * 1000:.0f} ms")
    return ", ".join(parts)


def print_account(now: Statistics) -> None:
    """What became of all frames."""
    if console.ERR.quiet:
        said = {"event": "account", "statistics": asdict(now)}
        _log.info("%s", _summary(now), extra=said)
        return

    def line(side: str, source: SourceStatistics) -> str:
        dropped = "".join(f", {count} {reason}" for reason, count in source.dropped.items())
        again = f"; reconnected {source.reconnections} times" if source.reconnections else ""
        wrong = f"; {source.by_arrival} stamps not believed" if source.by_arrival else ""
        count = f"{source.received} frames = {source.fused} fused{dropped}"
        clock = f"; {source.clock} clock" if now.live else ""
        return f"{side}: {count}{clock}{wrong}{again}"

    lines = [_summary(now), line("visible", now.visible), line("infrared", now.infrared)]
    if now.offset is not None:
        drift = "" if now.drift is None else f", drifting by {now.drift * 1e6:.0f} us per second"
        lines.append(f"infrared {now.offset * 1000:+.1f} ms after visible{drift}")
    console.ERR.print("\n".join(lines))
