"""FP16 in FP16 arithmetic: what stays wide, how close it comes, that nothing overflows."""

import copy
import json
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from export.centring import CentredRefinement, centre
from export.fidelity import compare, made_frames, run, tabulate
from export.fold import fold
from export.narrowing import CROP, traffic
from export.precision import ISLANDS, Narrowed, Reason, Typed
from training.checkpoints import load_network
from training.networks import SHIP
from training.scenes import render

MEAN_PSNR, WORST_PSNR, WITHIN = 62, 58, 0.995  # dB, dB, share of samples: what FP16 must keep
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def authors(shared):
    return load_network(shared / "checkpoints" / "SHIP_model.pth")


@pytest.fixture(scope="module")
def small(small_checkpoint):
    return load_network(small_checkpoint)


def typed(islands: dict[str, Reason] = ISLANDS) -> dict[str, Typed]:
    network = Narrowed(fold(SHIP(channels=4, interactions=1, orders=1)), islands).network
    return {name: part for name, part in network.named_modules() if isinstance(part, Typed)}


def test_every_island_is_somewhere_and_the_rest_is_narrow():
    parts = typed()
    wide = {pattern: [n for n in parts if fnmatch(n, pattern)] for pattern in ISLANDS}

    assert all(wide.values())
    inside = {name for names in wide.values() for name in names}
    for name, part in parts.items():
        expected = torch.float32 if name in inside else torch.float16
        assert {p.dtype for p in part.parameters()} <= {expected}, name
    assert len(inside) < len(parts) / 2


def test_an_island_that_is_not_named_is_narrow():
    assert typed()["output"].dtype == torch.float
    assert typed({"merge.*": Reason("", torch.float)})["output"].dtype == torch.half


@torch.inference_mode()
def test_an_island_keeps_all_bits_of_its_weights():
    torch.manual_seed(0)
    folded = fold(SHIP(channels=4, interactions=1, orders=1))
    weight = folded.output.weight.clone()
    assert torch.equal(Narrowed(folded).network.output.part.weight, weight)


@torch.inference_mode()
def test_centring_changes_nothing_in_fp64():
    torch.manual_seed(0)
    folded = fold(SHIP(channels=4, interactions=2, orders=2)).double()
    centred = copy.deepcopy(folded)
    centre(centred)
    visible, infrared = torch.rand(2, 1, 1, 24, 33).double()

    result, expected = (n(visible, infrared)[1] for n in (centred, folded))

    assert sum(isinstance(part, CentredRefinement) for part in centred.modules()) == 4
    assert 0 < (result - expected).abs().max() < 1e-12  # the border too


@torch.inference_mode()
def test_centring_centres():
    torch.manual_seed(0)
    folded = fold(SHIP(channels=4, interactions=1, orders=1))
    centre(folded)
    found = []
    for part in folded.modules():
        if isinstance(part, CentredRefinement):
            part.first.register_forward_hook(lambda m, i, o: found.append(o))
            part.last.register_forward_hook(lambda m, i, o: found.append(o))
    run(folded, *render(7, 96, 128))
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
    found = compare("", name, run(Narrowed(fold(authors)), *frames), run(authors, *frames))
    assert found.non_finite == 0
    assert found.psnr >= MEAN_PSNR
    assert 1 - found.far_off >= WITHIN


@pytest.mark.parametrize("weights", ["authors", "small"])
def test_hard_frames(request, weights):
    network = request.getfixturevalue(weights)
    narrowed = Narrowed(fold(network))
    names = []
    for name, visible, infrared in islice(made_frames(), 4):  # the rest is large
        result = run(narrowed, visible, infrared)
        found = compare("made", name, result, run(network, visible, infrared))
        names.append(name)
        assert found.non_finite == 0, name
        assert found.psnr >= WORST_PSNR, (name, found)
    assert names == ["black", "constant", "saturated", "noise"]


def test_without_islands_it_overflows(authors):
    """So the arithmetic does see what it is to see."""
    frames = render(0, 96, 128)
    assert not run(Narrowed(fold(authors), {}), *frames)[1].isfinite().all()


def test_nan_is_counted_and_not_close():
    fused, raw = torch.zeros(1, 2, 2, 3, dtype=torch.uint8), torch.zeros(1, 1, 2, 2)
    spoiled = raw.clone()
    spoiled[..., 0] = torch.nan
    found = compare("", "", (fused, spoiled), (fused, raw))
    assert found.non_finite == 2 and np.isnan(found.psnr)
    table = tabulate(
        {
            "checkpoint": "",
            "pairs_of_each_folder": 1,
            "torch": "",
            "frames": [vars(found), vars(compare("", "", (fused, raw), (fused, raw)))],
        }
    )
    assert "| nan dB | nan dB |" in table


def test_known_deviations_have_known_measures():
    fused, raw = torch.zeros(1, 2, 2, 3, dtype=torch.uint8), torch.full((1, 1, 2, 2), 0.5)
    other = fused.clone()
    other[0, 0, 0] = torch.tensor([1, 2, 3])
    found = compare("", "", (other, raw + 0.01), (fused, raw))
    assert found.psnr == pytest.approx(40, abs=1e-3)
    assert found.far_off == pytest.approx(2 / 12)


def test_islands_cost_the_bytes_that_they_should():
    def bytes_of(islands):
        torch.manual_seed(0)
        folded = fold(SHIP(channels=4, interactions=1, orders=1))
        return traffic(Narrowed(folded, islands, centred=False), 32, 40)

    pixels = 32 * 40
    shipped, none = bytes_of(ISLANDS), bytes_of({})
    wide = bytes_of({"*": Reason("", torch.float)})
    output = bytes_of({"output": ISLANDS["output"]})
    assert none < shipped < wide == 2 * none
    assert output - none == 2 * pixels  # its one channel, written; what it reads is FP16 as before


@pytest.mark.parametrize("name", ["fp16", "fp16_m3svd", "fp16_bundled"])
def test_the_measured_figures_keep_the_limits(name):
    record = json.loads((RESULTS / f"{name}.json").read_text())
    frames = record["frames"]
    real = [frame for frame in frames if frame["source"] != "made"]
    psnrs = [frame["psnr"] for frame in real]
    assert sum(frame["non_finite"] for frame in frames) == 0
    assert np.mean(psnrs) >= MEAN_PSNR and np.min(psnrs) >= WORST_PSNR
    assert 1 - np.mean([frame["far_off"] for frame in real]) >= WITHIN
    assert (RESULTS / f"{name}.md").read_text() == tabulate(record)


def test_the_measured_pairs_are_all_there(shared):
    frames = json.loads((RESULTS / "fp16.json").read_text())["frames"]
    for source, count in (("tno/test", 25), ("roadscene/test", 50)):
        assert len({f["name"] for f in frames if f["source"] == source}) == count
    made = {(f["name"], f["size"]) for f in frames if f["source"] == "made"}
    assert {("noise", "1080x1920"), ("rendered", "1080x1920"), ("saturated", "96x128")} <= made
