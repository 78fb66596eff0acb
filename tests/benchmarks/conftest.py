"""Models that several benchmarks measure."""

import pytest

from benchmarks.models import Models


@pytest.fixture(scope="session")
def made(small_checkpoint, small_models) -> Models:
    """The smallest SHIP; its FP32 models are there already."""
    return Models(small_checkpoint, small_models)
