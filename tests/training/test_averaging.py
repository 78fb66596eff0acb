import pytest
import torch

from training.averaging import blend


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 0.9), (torch.tensor(10), 0.45), (80, 0.1), (8_990, 0.001), (1_000_000, 0.001)],
)
def test_the_average_forgets_fast_at_first(step, share):
    """The share of the newest weights: 9 / (10 + step), but 1 - decay at least."""
    assert blend(0.999, torch.zeros(1), torch.ones(1), step).item() == pytest.approx(share)
