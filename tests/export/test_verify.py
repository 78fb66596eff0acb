import numpy as np
import pytest

from export.precision import Precision
from export.verify import Expected, Fidelity, Tolerance, compare
from ship_deploy import UserError

KNOWN = Expected(np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 1, 2, 2), 0.5))


def test_known_deviations_have_known_measures():
    other = KNOWN.frames.copy()
    other[0, 0, 0] = 1, 2, 3
    found = compare(other, KNOWN.luminance + 0.01, KNOWN)
    assert found.psnr == pytest.approx(40) and found.raw_error == pytest.approx(0.01)
    assert found.levels == 3 and found.samples == 12
    assert found.off == pytest.approx(3 / 12) and found.far_off == pytest.approx(2 / 12)


def test_equality():
    found = compare(*KNOWN, KNOWN)
    assert (found.psnr, found.raw_error, found.levels, found.off) == (300, 0, 0, 0)


def test_what_lies_beyond_black_and_white_counts_as_raw_error_only():
    bright = Expected(KNOWN.frames, np.full((1, 1, 2, 2), 1.5))
    found = compare(bright.frames, np.full((1, 1, 2, 2), 1.25), bright)
    assert found.raw_error == 0.25 and found.psnr == 300


def test_nan_is_counted_and_is_never_fine():
    spoiled = KNOWN.luminance.copy()
    spoiled[..., 0] = np.nan
    good, bad = compare(*KNOWN, KNOWN), compare(KNOWN.frames, spoiled, KNOWN)
    assert bad.non_finite == 2 and np.isnan(bad.psnr)
    for order in ([good, bad], [bad, good]):
        fidelity = Fidelity.of(order, ["2x2", "2x2"])
        assert np.isnan(fidelity.psnr) and fidelity.non_finite == 2
        assert fidelity.problems(Tolerance(psnr=1))
        with pytest.raises(UserError, match="out of tolerance"):
            fidelity.check("model", Precision.FP32)


def test_frames_of_unequal_size_weigh_by_their_samples():
    small, large = compare(*KNOWN, KNOWN), compare(*KNOWN, KNOWN)
    large = type(large)(**{**vars(large), "off": 0.5, "samples": 36})
    assert Fidelity.of([small, large], []).off == pytest.approx(0.375)
