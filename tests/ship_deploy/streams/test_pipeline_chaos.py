"""Cameras that fail in every way there is, hundreds of times."""

import threading
from collections import Counter
from random import Random

import cv2
import numpy as np
import pytest

from ship_deploy.frames import stretch
from ship_deploy.results import Frame
from ship_deploy.streams import Pipeline
from tests.ship_deploy.streams.cameras import FAULTS, ScriptedCamera

FAULTS_A_CAMERA = 110


def average(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    assert visible.shape == (*infrared.shape, 3) and infrared.dtype == np.uint8
    return visible // 2 + infrared[..., None] // 2


def scaled(infrared: Frame, size: tuple[int, int] | None) -> np.ndarray:
    """To any proportions, which the faults change."""
    return cv2.resize(stretch(infrared.image, (0, 100)), (size or infrared.image.shape)[::-1])


@pytest.mark.parametrize("seed", [1])
def test_the_stream_heals_from_every_fault_and_the_accounts_close(seed):
    random = Random(seed)
    scripts = [random.choices(FAULTS, k=FAULTS_A_CAMERA) for _ in range(2)]
    visible = ScriptedCamera("visible", (32, 40, 3), scripts[0], seed=seed)
    infrared = ScriptedCamera("infrared", (24, 32), scripts[1], seed=seed + 1)
    threads = threading.active_count()
    most = 0
    fused_after = 0  # results that were fused after the last fault
    time = 0.0
    reasons: Counter[str] = Counter()

    pipeline = Pipeline(
        visible,
        infrared,
        average,
        prepare=scaled,
        deadlines=(0.2, 0.06),
        back_off=(0.002, 0.02),
    )
    with pipeline:
        for result in pipeline:
            reasons[result.reason] += 1
            most = max(most, threading.active_count() - threads)
            assert result.time > time and result.done >= result.time
            assert result.image.dtype == np.uint8 and result.image.shape[2:] == (3,)
            assert result.fused == (result.reason == "")
            time = result.time
            fused_after += result.fused and not (visible.script or infrared.script)
            if fused_after == 20:
                break
        for camera in (visible, infrared):
            camera.released.set()
    after = pipeline.statistics()

    assert visible.happened + infrared.happened == Counter(scripts[0]) + Counter(scripts[1])
    for source in (after.visible, after.infrared):
        assert source.received == source.fused + sum(source.dropped.values())
        assert source.reconnections >= 20
        assert source.dropped["unreadable"] > 0
    assert after.visible.fused == after.fused == reasons[""]
    assert after.alone == sum(reasons.values()) - reasons[""]
    assert {"", "visible down", "infrared down"} <= set(reasons)
    assert most <= 2 * (1 + 1 + 2)  # a reader, its caller, and two calls that hang, a side
