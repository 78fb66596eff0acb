"""ship-s: its picture, kept in a file; in FP64, as it is bundled, in FP16."""

import numpy as np
import pytest

from benchmarks.fidelity.narrowing import deviation
from export.golden import CHECKPOINT, GOLDEN, SIZES
from export.precision import Precision, narrow
from export.verify import TOLERANCES, Expected, Reference, compare
from ship_deploy.artifact import read_artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from ship_deploy.models import CATALOGUE
from training.checkpoints import digest, load_network
from training.networks.compact import Compact

ROUNDING = 1e-6  # of luminance, which the file holds in FP32; the network is in FP64
HALF_PSNR = 70  # dB; 80 on the worst of 75 real pairs

Golden = list[tuple[tuple[np.ndarray, np.ndarray], Expected]]


@pytest.fixture(scope="module")
def network() -> Compact:
    return load_network(CHECKPOINT)


@pytest.fixture(scope="module")
def golden() -> Golden:
    """Batches of two frames, and what the network made of them when the file was written."""
    with np.load(GOLDEN) as kept:
        return [
            (
                (kept[f"visible{n}"], kept[f"infrared{n}"]),
                Expected(kept[f"frames{n}"], kept[f"luminance{n}"]),
            )
            for n in range(len(SIZES))
        ]


def test_golden_data_and_the_bundled_model_are_of_these_weights():
    with np.load(GOLDEN) as kept:
        assert str(kept["checkpoint"]) == digest(CHECKPOINT), "run `python -m export.golden`"
    bundled = read_artifact(CATALOGUE["ship-s"].path).metadata
    assert bundled["checkpoint_digest"] == digest(CHECKPOINT), "export ship-s anew"


def test_the_network_makes_the_same_picture_as_ever(network, golden):
    for batch, expected in golden:
        found = Reference(network)(*batch)
        np.testing.assert_allclose(found.luminance, expected.luminance, rtol=0, atol=ROUNDING)
        assert np.array_equal(found.frames, expected.frames)


def test_so_does_the_bundled_model(golden):
    run = OnnxRuntime(read_artifact(CATALOGUE["ship-s"].path), "cpu", 1).run
    limit = TOLERANCES[Precision.FP32]
    for batch, expected in golden:
        found = compare(run(*batch), expected.luminance, expected)
        assert found.levels <= limit.levels
        assert found.off <= limit.off


def test_a_change_of_the_arithmetic_is_seen(network, golden, monkeypatch):
    monkeypatch.setattr("training.networks.compact.LEAD", 1.49)
    batch, expected = golden[0]
    found = Reference(network)(*batch).luminance
    assert np.abs(found - expected.luminance).max() > 100 * ROUNDING


def test_in_fp16(network, golden):
    narrowed = narrow(network)
    for batch, expected in golden:
        found = deviation(narrowed, batch, expected)
        assert found.psnr >= HALF_PSNR
        assert found.non_finite == found.far_off == 0
