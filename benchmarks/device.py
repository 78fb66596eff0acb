"""The CUDA layer of the runtime on a real GPU, check by check, whether or not an engine runs."""

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np

from ship_deploy.cuda import Cuda, load
from ship_deploy.cuda.arrays import DeviceArray, empty_like, is_on_device
from ship_deploy.cuda.buffers import Buffer
from ship_deploy.cuda.gpu import find_gpu
from ship_deploy.errors import UserError

SHAPE = (480, 640, 3)
STREAMS = 4


def check_all(cuda: str = "cuda-python") -> dict[str, str]:
    """Title of each check -> "passes", or what went wrong."""
    outcomes = {}
    for title, check in CHECKS.items():
        try:
            check(load(cuda, 0))
            outcomes[title] = "passes"
        except Exception as error:  # of any library
            outcomes[title] = " ".join(f"**fails**: {type(error).__name__}: {error}".split())[:400]
    return outcomes


def check_device(cuda: Cuda) -> None:
    """The GPU is found, with a name and a compute capability."""
    found = find_gpu(0)
    assert found.name and float(found.compute_capability) >= 5, found
    with cuda.active():
        pass


def check_round_trip(cuda: Cuda) -> None:
    """What goes up from page-locked memory comes down again, for several streams at a time."""
    with cuda.active(), ExitStack() as held:
        ways = []
        for number in range(STREAMS):
            sent, received = cuda.pinned(SHAPE), cuda.pinned(SHAPE)
            held.callback(cuda.release_pinned, sent)
            held.callback(cuda.release_pinned, received)
            memory = cuda.memory(sent.nbytes)
            held.callback(memory.free)
            assert int(memory) % 256 == 0, "not aligned"
            sent[:], received[:] = _noise(number), 0
            ways.append((cuda.stream(), sent, int(memory), received))
        for stream, sent, address, received in ways:
            cuda.upload(sent, address, stream)
            cuda.download(address, received, stream)
        for stream, sent, _, received in ways:
            stream.synchronize()
            assert np.array_equal(sent, received), "other bytes came back"


def check_buffer(cuda: Cuda) -> None:
    """What the CPU writes into a frame's buffer the GPU sees, and the other way round."""
    sent, received = _noise(8), np.zeros(SHAPE, np.uint8)
    with cuda.active(), ExitStack() as held:
        buffer, stream = Buffer(cuda, SHAPE), cuda.stream()
        held.callback(buffer.free)
        buffer.host[:] = _noise(7)
        buffer.upload(stream)
        cuda.download(buffer.address, received, stream)
        stream.synchronize()
        assert np.array_equal(received, _noise(7)), "the GPU sees other bytes"
        cuda.upload(sent, buffer.address, stream)
        buffer.download(stream)
        stream.synchronize()
        assert np.array_equal(buffer.host, sent), "the CPU sees other bytes"


def check_pageable(cuda: Cuda) -> None:
    """Plain numpy memory goes up and down as well."""
    sent, received = _noise(9), np.zeros(SHAPE, np.uint8)
    with cuda.active(), ExitStack() as held:
        memory, stream = cuda.memory(sent.nbytes), cuda.stream()
        held.callback(memory.free)
        cuda.upload(sent, int(memory), stream)
        cuda.download(int(memory), received, stream)
        stream.synchronize()
    assert np.array_equal(sent, received), "other bytes came back"


def check_graph(cuda: Cuda) -> None:
    """A recorded copy does not run while it is recorded, and runs at every replay."""
    capture = cuda.capture
    if capture is None:
        raise UserError(f"{cuda.name} has no CUDA graphs")
    with cuda.active(), ExitStack() as held:
        sent, received = cuda.pinned(SHAPE), cuda.pinned(SHAPE)
        memory, stream = cuda.memory(sent.nbytes), cuda.stream()
        for array in (sent, received):
            held.callback(cuda.release_pinned, array)
        held.callback(memory.free)
        sent[:], received[:] = 1, 0

        def copies() -> None:
            cuda.upload(sent, int(memory), stream)
            cuda.download(int(memory), received, stream)

        replay = capture(stream, copies)
        stream.synchronize()
        assert not received.any(), "it ran while it was recorded"
        for number in (2, 3):
            sent[:] = _noise(number)
            replay()
            stream.synchronize()
            assert np.array_equal(sent, received), "the replay brought other bytes"


def check_errors(cuda: Cuda) -> None:
    """More memory than any GPU has is refused in words, and the next call works."""
    with cuda.active():
        try:
            cuda.memory(1 << 50)
        except UserError as error:
            assert "out of memory" in str(error), str(error)
        else:
            raise AssertionError("a petabyte was granted")
    check_pageable(cuda)


def check_torch(cuda: Cuda) -> None:
    """A torch tensor is read where it lies, after torch's own stream has filled it."""
    import torch

    side = torch.cuda.Stream()
    with cuda.active(), torch.cuda.stream(side):
        stream, received = cuda.stream(), np.zeros(SHAPE, np.uint8)
        busy = torch.ones(4096, 4096, device="cuda")
        for _ in range(20):  # so that it is filled late
            busy = busy @ busy * 1e-4
        tensor = torch.from_numpy(_noise(5)).pin_memory().to("cuda", non_blocking=True)
        assert is_on_device(tensor), "not known to be on the GPU"
        view = DeviceArray.of(tensor, stream.handle)
        view.check("tensor", 0)
        assert view.address == tensor.data_ptr() and view.shape == SHAPE, view
        cuda.download(view.address, received, stream)
        stream.synchronize()
        assert np.array_equal(received, _noise(5)), "it was read before it was filled"
        transposed = DeviceArray.of(tensor.transpose(0, 1), stream.handle)
        assert not transposed.contiguous, "a transposed tensor is not contiguous"


def check_torch_out(cuda: Cuda) -> None:
    """An array made for the result is torch's own, and holds what was copied into it."""
    import torch

    with cuda.active():
        stream = cuda.stream()
        made = empty_like(torch.zeros(1, dtype=torch.uint8, device="cuda"), SHAPE)
        target = DeviceArray.of(made, stream.handle)
        target.check("result", 0)
        cuda.upload(_noise(6), target.address, stream)
        stream.synchronize()
        assert isinstance(made, torch.Tensor), type(made)
        assert np.array_equal(made.cpu().numpy(), _noise(6)), "torch sees other bytes"


CHECKS: dict[str, Callable[[Cuda], None]] = {
    "GPU found, primary context": check_device,
    f"page-locked memory, {STREAMS} streams, up and down": check_round_trip,
    "buffer of a frame, copied or mapped": check_buffer,
    "pageable memory, up and down": check_pageable,
    "CUDA graph of two copies, replayed": check_graph,
    "out of memory is said, and passes": check_errors,
    "torch tensor in, filled on a stream of its own": check_torch,
    "torch tensor out": check_torch_out,
}


def _noise(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(256, size=SHAPE, dtype=np.uint8)
