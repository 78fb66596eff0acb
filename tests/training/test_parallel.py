"""Work in threads: order, errors, and that nothing goes on after one."""

import threading
import time

import pytest

from training.parallel import AHEAD, in_order, is_first_process


def test_results_come_in_order_whichever_is_ready_first():
    def late(item: int) -> int:
        time.sleep(0.002 if item % 2 else 0)
        return item * item

    items = range(AHEAD + 10)
    assert list(in_order(late, items, "")) == [item * item for item in items]


def test_an_error_is_raised_in_its_place_and_stops_the_rest():
    done = []

    def fail_at_five(item: int) -> int:
        done.append(item)
        if item == 5:
            raise ValueError("five")
        return item

    seen = []
    with pytest.raises(ValueError, match="five"):
        for result in in_order(fail_at_five, range(10 * AHEAD), ""):
            seen.append(result)
    assert seen == [0, 1, 2, 3, 4]
    assert len(done) <= AHEAD
    assert threading.active_count() < 10


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),  # the first of another host
        ({"LOCAL_RANK": "1"}, False),
    ],
)
def test_the_first_process_speaks(monkeypatch, variables, first):
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first
