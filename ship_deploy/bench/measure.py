"""The measurement itself: frames one after the other, or from cameras to the picture."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy.bench.scene import DrawnCamera
from ship_deploy.streams.compositor import Fuse
from ship_deploy.streams.pipeline import Pipeline

Frame = NDArray[np.uint8]


def take_turns(
    fusers: Mapping[Any, Fuse], pair: tuple[Frame, Frame], warm_up: int, rounds: int
) -> Iterator[dict[Any, float]]:
    """Seconds of one call of each, round by round, so that heat and neighbours hit all alike.

    Args:
        fusers: key -> what is called.
        pair: the frames.
        warm_up: calls of each before the first round.
        rounds: that are timed.
    """
    for fuse in fusers.values():
        for _ in range(warm_up):
            fuse(*pair)
    for _ in range(rounds):
        times = {}
        for key, fuse in fusers.items():
            start = time.perf_counter()
            fuse(*pair)
            times[key] = time.perf_counter() - start
        yield times


def camera_to_picture(
    fuse: Fuse,
    pair: tuple[Frame, Frame],
    rate: float,
    warm_up: int,
    rounds: int,
    step: Callable[[], object],
) -> tuple[Sequence[float], float]:
    """What `ship-deploy stream` takes, of two drawn cameras: pairing, levels, fusing.

    Args:
        fuse: the model.
        pair: what the cameras show.
        rate: of the cameras, frames per second.
        warm_up: fused results before the first that counts.
        rounds: fused results that count.
        step: called at each.

    Returns:
        Seconds from the moment at which a frame was there to its result; results per second.
    """
    cameras = [DrawnCamera(n, f, rate) for n, f in zip(("visible", "infrared"), pair, strict=True)]
    latencies, skip, begun = [], warm_up, 0.0
    with Pipeline(cameras[0], cameras[1], fuse) as pipeline:
        for result in pipeline:
            if not result.fused:
                continue
            if skip:
                skip, begun = skip - 1, result.done
                continue
            latencies.append(result.done - result.time)
            step()
            if len(latencies) == rounds:
                break
    passed = result.done - begun
    return latencies, rounds / passed
