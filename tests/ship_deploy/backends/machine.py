"""Fixtures: a machine with a GPU, both of them stood in for. See `stand_in`."""

import importlib.util

import pytest

from ship_deploy import Fuser, cuda
from ship_deploy.artifact import read_artifact
from ship_deploy.cuda import gpu
from ship_deploy.cuda.gpu import Gpu
from ship_deploy.engines import flavour as flavours
from ship_deploy.engines import passport, recipe
from ship_deploy.engines.passport import write_engine
from ship_deploy.engines.profile import choose_profile
from ship_deploy.engines.recipe import make_recipe
from tests.ship_deploy.backends import stand_in

needs_pycuda = pytest.mark.skipif(
    importlib.util.find_spec("pycuda") is None, reason="PyCUDA is not installed"
)
BOTH = ["cuda-python", pytest.param("pycuda", marks=needs_pycuda)]


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A GPU and both TensorRTs, which work again afterwards."""
    for module in (gpu, passport, recipe, cuda):
        monkeypatch.setattr(module, "find_gpu", lambda device=0: Gpu("Stand-in", "8.6", "13.0"))
    for name in flavours.MODULES:
        monkeypatch.setitem(flavours._loaded, name, stand_in.flavour(name))
    yield
    stand_in.driver.stand_in_mend()


@pytest.fixture(params=["tensorrt", "tensorrt-rtx"])
def flavour(request):
    return flavours.load(request.param)


@pytest.fixture
def engine(model, flavour, tmp_path):
    """An engine for frames up to 96x128: the model itself, as its stand-in."""
    artifact = read_artifact(model)
    profile = choose_profile("any", None, "64x96", "96x128")
    path = tmp_path / "small.engine"
    write_engine(path, artifact.content, make_recipe(artifact, flavour, profile))
    return path


@pytest.fixture(params=BOTH)
def gpu_fuser(request, engine):
    return Fuser(engine, cuda=request.param)
