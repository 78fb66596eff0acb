"""Durations and sizes."""

import pytest

from ship_deploy.commands.amounts import parse_duration, parse_size
from ship_deploy.errors import UserError


def test_durations():
    found = [parse_duration(text, "--keep") for text in ("1s", "1.5min", "2h", "7d", None)]
    assert found == [1, 90, 7200, 7 * 86400, None]


@pytest.mark.parametrize("text", ["", "10", "0.9s", "0s", "10 min", "-1h", "1w", "99999999d", "٣s"])
def test_no_durations(text):
    with pytest.raises(UserError, match=r"--keep is .*, expected a duration"):
        parse_duration(text, "--keep")


def test_sizes():
    sizes = [parse_size(text) for text in ("1MB", "200GB", "1.5TB")]
    assert sizes == [10**6, 2 * 10**11, 15 * 10**11]
    for text in ("", "0GB", "12", "1GiB"):
        with pytest.raises(UserError, match="--keep-size is"):
            parse_size(text)
