"""When the GPU fails: one line, nothing is held, and work goes on where CUDA allows it."""

import gc
import sys

import numpy as np
import pytest
from cuda.bindings import driver as cuda_driver

from ship_deploy import Fuser, UserError
from ship_deploy.cuda.faults import HELP
from ship_deploy.errors import LastingError
from tests.ship_deploy.backends import faults, stand_in
from tests.ship_deploy.backends.machine import BOTH
from tests.ship_deploy.backends.test_execution import Array
from training.scenes import render

driver = stand_in.driver
PAIR = render(0, 64, 96)
OUT_OF_MEMORY = 2
NOTHING = 0


@pytest.fixture(params=BOTH)
def cuda_name(request):
    return request.param


@pytest.fixture(autouse=True)
def quiet():
    """Nothing is said by destructors."""
    said = []
    before, sys.unraisablehook = sys.unraisablehook, said.append
    yield
    gc.collect()
    sys.unraisablehook = before
    assert said == []


def failure(fuse, *pair: np.ndarray, kind: type[UserError] = UserError) -> str:
    with pytest.raises(kind) as caught:
        fuse(*(pair or PAIR))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check(message: str, fault: faults.Fault, cuda_name: str = "cuda-python") -> None:
    """Compare a message with the table; PyCUDA has words of its own around those of CUDA."""
    _, _, reason = fault.says.partition(": ")
    assert message.partition(": ")[2] == reason if cuda_name == "cuda-python" else reason in message


def test_out_of_memory_at_each_allocation(engine, fuser, cuda_name, flavour):
    expected = fuser(*PAIR)
    before = stand_in.live()
    for allowed in range(40):
        gpu_fuser = None
        driver.stand_in_fail(b"allocation", allowed, OUT_OF_MEMORY)
        try:
            gpu_fuser = Fuser(engine, cuda=cuda_name)
            for _ in range(3):  # the second one records a graph
                fused = gpu_fuser(*PAIR)
        except UserError as error:
            check(str(error), faults.MEMORY, cuda_name)
        else:
            assert np.array_equal(fused, expected)
            break
        finally:
            driver.stand_in_fail(b"", 0, NOTHING)
        if gpu_fuser is not None:
            assert stand_in.live()[0] == before[0]
            for _ in range(3):
                assert np.array_equal(gpu_fuser(*PAIR), expected)
        del gpu_fuser
        gc.collect()
        assert stand_in.live() == before
    # A stream, three frames here and there, activations; the context, and for a graph two more.
    graph = 2 if cuda_name == "cuda-python" and flavour.name == "tensorrt" else 0
    assert allowed == 8 + graph + (cuda_name == "cuda-python")


@pytest.mark.parametrize("status", [*faults.LASTING, 214, 719])
def test_an_error_that_lasts(engine, cuda_name, status):
    before = stand_in.live()
    gpu_fuser = Fuser(engine, cuda=cuda_name)
    gpu_fuser(*PAIR)
    driver.stand_in_break(status)
    first = failure(gpu_fuser, kind=LastingError)
    if status in faults.LASTING:
        check(first, faults.LASTING[status], cuda_name)
    again = failure(lambda *pair: Fuser(engine, cuda=cuda_name)(*pair), kind=LastingError)
    for message in (first, failure(gpu_fuser), again):
        assert HELP[status] in message
    assert stand_in.live()[0] == before[0]
    del gpu_fuser
    gc.collect()
    assert stand_in.live() == before


def test_an_error_that_lasts_with_frames_under_way(engine, cuda_name):
    before = stand_in.live()[0]
    gpu_fuser = Fuser(engine, cuda=cuda_name)
    results = gpu_fuser.map([PAIR] * 6)
    next(results)
    driver.stand_in_break(700)
    assert HELP[700] in failure(lambda *_: [*results])
    assert stand_in.live()[0] == before


@pytest.mark.parametrize(
    ("function", "status", "fault"),
    [
        (b"cuDevicePrimaryCtxRetain", 46, faults.TAKEN),
        (b"cuInit", 807, faults.MPS_STARTS),
    ],
)
def test_a_gpu_that_cannot_be_had_yet(engine, fuser, function, status, fault):
    driver.stand_in_fail(function, 0, status)
    with pytest.raises(UserError) as caught:
        Fuser(engine)
    assert str(caught.value) == fault.says
    driver.stand_in_fail(b"", 0, NOTHING)
    assert np.array_equal(Fuser(engine)(*PAIR), fuser(*PAIR))


def test_tensorrt_that_makes_no_context(gpu_fuser, fuser, flavour, monkeypatch):
    before = stand_in.live()
    with monkeypatch.context() as patched:
        patched.setattr(stand_in.Engine, "create_execution_context", lambda *_: None)
        assert failure(gpu_fuser) == f"{flavour.name} cannot make an execution context: "
    assert stand_in.live() == before
    assert np.array_equal(gpu_fuser(*PAIR), fuser(*PAIR))


@pytest.mark.parametrize("frames_before", [0, 1])
def test_tensorrt_that_takes_no_frame(gpu_fuser, fuser, flavour, monkeypatch, frames_before):
    before = stand_in.live()[0]
    for _ in range(frames_before):  # a graph is recorded next
        gpu_fuser(*PAIR)
    with monkeypatch.context() as patched:
        patched.setattr(stand_in.Context, "execute_async_v3", lambda *_: False)
        assert failure(gpu_fuser) == f"{flavour.name} cannot run the engine: "
    assert stand_in.live()[0] == before
    for _ in range(3):
        assert np.array_equal(gpu_fuser(*PAIR), fuser(*PAIR))


def test_tensorrt_that_does_not_start(engine, flavour, monkeypatch):
    def nothing(*_):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    monkeypatch.setattr(flavour.trt, "Runtime", nothing)
    with pytest.raises(UserError, match=f"{flavour.name} cannot load it"):
        Fuser(engine)


@pytest.fixture
def foreign():
    """A context of another library, current in this thread."""
    context = cuda_driver.CUcontext(driver.stand_in_foreign())
    cuda_driver.cuCtxPushCurrent(context)
    yield context
    assert int(cuda_driver.cuCtxGetCurrent()[1]) == int(context)
    cuda_driver.cuCtxPopCurrent()


def test_another_librarys_context_stays_current(gpu_fuser, fuser, foreign):
    assert np.array_equal(gpu_fuser(*PAIR), fuser(*PAIR))
    driver.stand_in_fail(b"allocation", 0, OUT_OF_MEMORY)
    check(failure(gpu_fuser, *render(0, 48, 64)), faults.MEMORY, gpu_fuser.info.cuda)


def test_a_frame_in_another_context(gpu_fuser, foreign):
    class There(Array):
        @property
        def __cuda_array_interface__(self):
            return {**super().__cuda_array_interface__, "data": (address, False)}

    _, address = cuda_driver.cuMemAlloc(PAIR[0].nbytes)
    address = int(address)
    message = failure(gpu_fuser, There(PAIR[0]), Array(PAIR[1]))
    cuda_driver.cuMemFree(address)
    assert message == faults.FOREIGN.says


@pytest.mark.parametrize("order", [stand_in.EAGER, stand_in.OTHERS_FIRST])
def test_streams_that_finish_in_another_order(gpu_fuser, fuser, order):
    driver.stand_in_set_order(order)
    sizes = [(48, 64), (48, 64), (48, 64), (64, 96), (48, 64)]
    frames = [render(seed, *size) for seed, size in enumerate(sizes)]
    for picture, pair in zip(gpu_fuser.map(iter(frames)), frames, strict=True):
        assert np.array_equal(picture, fuser(*pair))
    for pair in frames:
        assert np.array_equal(gpu_fuser(*pair), fuser(*pair))
