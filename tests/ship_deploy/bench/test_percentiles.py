"""What a percentile needs, and how sure it is."""

import numpy as np
import pytest

from ship_deploy.bench.percentiles import check_rounds, interval, ratio, rounds_for
from ship_deploy.errors import UserError


def test_a_rare_percentile_needs_many_rounds():
    found = [rounds_for(percentile) for percentile in (50, 90, 99, 99.9, 1)]
    assert found == [10, 50, 500, 5000, 500]
    check_rounds((50, 90), 50)
    with pytest.raises(UserError, match="p99 of 10 rounds is chance; it needs --rounds 500"):
        check_rounds((50, 99), 10)
    for percentile in (0, 100, float("nan")):
        with pytest.raises(UserError, match="between 0 and 100"):
            check_rounds((percentile,), 1000)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        low, high = interval(random.normal(10, 1, 100), 50)
        held += low < 10 < high
        assert 0.1 < high - low < 1.5
    assert held >= 50


def test_a_ratio_and_its_interval():
    random = np.random.default_rng(0)
    before, after = random.normal(1.0, 0.02, 200), random.normal(1.2, 0.02, 200)
    value, low, high = ratio(before, after, 50)
    assert 1.18 < low < value < high < 1.22
    value, low, high = ratio(before, random.permutation(before), 50)
    assert value == 1 and low < 1 < high


def test_few_samples_are_enough():
    assert interval([1.0], 50) == (1.0, 1.0)
    assert ratio([1.0], [2.0, 2.0], 50) == (2.0, 2.0, 2.0)
