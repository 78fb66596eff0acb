"""FP16 in FP16 arithmetic: what stays wide, how close it comes, that nothing overflows."""

import copy
from dataclasses import replace
from fnmatch import fnmatch
from itertools import islice

import numpy as np
import pytest
import torch

from benchmarks.fidelity.narrowing import CROP, deviation, traffic
from benchmarks.pairs import made_pairs
from export.centring import CentredRefinement, centre
from export.fold import fold
from export.precision import Narrowed, Precision, Typed
from export.verify import TOLERANCES_ON_REAL_FRAMES, Deviation, Reference
from training.architecture import HalfPrecision, Reason
from training.checkpoints import load_network
from training.colour import fuse_frames
from training.networks import SHIP, architecture_of
from training.scenes import render

LIMIT = TOLERANCES_ON_REAL_FRAMES[Precision.FP16]
HALF = architecture_of(SHIP()).half
WIDE = Reason("everything", torch.float)


@pytest.fixture(scope="module")
def authors(shared):
    return load_network(shared / "checkpoints" / "SHIP_model.pth")


def with_islands(islands: dict[str, Reason]) -> HalfPrecision:
    return replace(HALF, islands=islands)


def narrowed_deviation(network, visible, infrared, half=HALF) -> Deviation:
    batch = visible[None], infrared[None]
    return deviation(Narrowed(fold(network), half), batch, Reference(network)(*batch))


@pytest.fixture(scope="module")
def small(small_checkpoint):
    return load_network(small_checkpoint)


def typed(half: HalfPrecision = HALF) -> dict[str, Typed]:
    network = Narrowed(fold(SHIP(channels=4, interactions=1, orders=1)), half).network
    return {name: part for name, part in network.named_modules() if isinstance(part, Typed)}


def test_every_island_is_somewhere_and_the_rest_is_narrow():
    parts = typed()
    wide = {pattern: [n for n in parts if fnmatch(n, pattern)] for pattern in HALF.islands}

    assert all(wide.values())
    inside = {name for names in wide.values() for name in names}
    for name, part in parts.items():
        expected = torch.float32 if name in inside else torch.float16
        assert {p.dtype for p in part.parameters()} <= {expected}, name
    assert len(inside) < len(parts) / 2


def test_an_island_that_is_not_named_is_narrow():
    assert typed()["output"].dtype == torch.float
    assert typed(with_islands({"merge.*": WIDE}))["output"].dtype == torch.half


@torch.inference_mode()
def test_an_island_keeps_all_bits_of_its_weights():
    torch.manual_seed(0)
    folded = fold(SHIP(channels=4, interactions=1, orders=1))
    weight = folded.output.weight.clone()
    assert torch.equal(Narrowed(folded, HALF).network.output.part.weight, weight)


@torch.inference_mode()
def test_centring_changes_nothing_in_fp64():
    torch.manual_seed(0)
    folded = fold(SHIP(channels=4, interactions=2, orders=2)).double()
    centred = copy.deepcopy(folded)
    centre(centred, HALF.centred)
    visible, infrared = torch.rand(2, 1, 1, 24, 33).double()

    result, expected = (n(visible, infrared)[1] for n in (centred, folded))

    assert sum(isinstance(part, CentredRefinement) for part in centred.modules()) == 4
    assert 0 < (result - expected).abs().max() < 1e-12  # the border too


@torch.inference_mode()
def test_centring_centres():
    torch.manual_seed(0)
    folded = fold(SHIP(channels=4, interactions=1, orders=1))
    centre(folded, HALF.centred)
    found = []
    for part in folded.modules():
        if isinstance(part, CentredRefinement):
            part.first.register_forward_hook(lambda m, i, o: found.append(o))
            part.last.register_forward_hook(lambda m, i, o: found.append(o))
    fuse_frames(folded, *(torch.from_numpy(x)[None] for x in render(7, 96, 128)))
    for features in found:
        deviation, mean = torch.std_mean(features, (0, 2, 3))
        assert (mean.abs() < deviation).all()
    assert len(found) == 2


@pytest.mark.parametrize("name", ["roadscene_a", "roadscene_b", "vga_480x640"])
def test_the_authors_network_keeps_its_picture(authors, shared, name):
    golden = np.load(shared / "golden" / f"{name}.npz")
    frames = [
        np.ascontiguousarray(golden[key][: CROP[0] // 2, : CROP[1] // 2])
        for key in ("visible_bgr_u8", "infrared_u8")
    ]
    found = narrowed_deviation(authors, *frames)
    assert found.non_finite == 0
    assert found.psnr >= LIMIT.mean_psnr
    assert found.far_off <= LIMIT.far_off


@pytest.mark.parametrize("weights", ["authors", "small"])
def test_hard_frames(request, weights):
    network = request.getfixturevalue(weights)
    names = []
    for pair in islice(made_pairs(), 4):  # the rest is large
        found = narrowed_deviation(network, pair.visible, pair.infrared)
        names.append(pair.name)
        assert found.non_finite == 0, pair.name
        assert found.psnr >= LIMIT.psnr, (pair.name, found)
    assert names == ["black", "constant", "saturated", "noise"]


def test_without_islands_it_overflows(authors):
    """So the arithmetic does see what it is to see."""
    found = narrowed_deviation(authors, *render(0, 96, 128), with_islands({}))
    assert found.non_finite > 0 and np.isnan(found.psnr)


def test_islands_cost_the_bytes_that_they_should():
    def bytes_of(islands):
        torch.manual_seed(0)
        folded = fold(SHIP(channels=4, interactions=1, orders=1))
        half = replace(HALF, islands=islands, centred=())
        return traffic(Narrowed(folded, half), 32, 40)

    pixels = 32 * 40
    shipped, none = bytes_of(HALF.islands), bytes_of({})
    wide = bytes_of({"*": WIDE})
    output = bytes_of({"output": HALF.islands["output"]})
    assert none < shipped < wide == 2 * none
    assert output - none == 2 * pixels  # its one channel, written; what it reads is FP16 as before
