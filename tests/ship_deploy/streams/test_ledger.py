import pytest

from ship_deploy.streams.ledger import Ledger


def test_a_rate_is_of_the_steps_between_results():
    ledger = Ledger()
    assert ledger.rate(0.0) == 0.0
    for number in range(11):
        ledger.count(number % 2 == 0, number / 10, 0.01 * number)
        if not number:
            assert ledger.rate(0.0) == 0.0  # one result says nothing
    assert ledger.rate(1.0) == pytest.approx(10.0)
    assert ledger.rate(2.0) == pytest.approx(5.0)  # it falls when nothing comes
    assert (ledger.fused, ledger.alone) == (6, 5)


def test_a_latency_is_what_a_share_of_results_took_at_most():
    ledger = Ledger()
    assert ledger.latency(0.5) is None
    for number in range(1, 101):
        ledger.count(True, float(number), number / 1000)
    assert ledger.latency(0.5) == 0.05 and ledger.latency(0.99) == 0.099
    assert ledger.latency(0.0) == 0.001 and ledger.latency(1.0) == 0.1
