"""What a GPU can do to a program, and what the program does then; the docs print this table."""

from dataclasses import dataclass

NOTHING, ALL, DRIVER = (
    "nothing is held",
    "all of it, at once",
    "by the driver, when the process ends",
)


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        what: happens.
        says: with cuda-python.
        released: what was held for the frame.
        again: when the same `Fuser`, or a new one, works.
    """

    what: str
    says: str
    released: str
    again: str


_ANEW = "start the program anew, CUDA does not work again in this process"
_LOST = f"look at nvidia-smi and `dmesg | grep Xid`, the GPU may be lost; {_ANEW}"
_NO = "in a new process"
MEMORY = Fault(
    "There is no memory left, at any allocation",
    "CUDA error 2 in cuMemAlloc: out of memory; "
    "end other programs on the GPU, or fuse smaller frames",
    ALL,
    "at the next frame for which there is memory",
)
TAKEN = Fault(
    "Another process has the GPU for itself (compute mode EXCLUSIVE_PROCESS)",
    "CUDA error 46 in cuDevicePrimaryCtxRetain: CUDA-capable device(s) is/are busy or "
    "unavailable; another process has the GPU for itself, or it is lost: see nvidia-smi",
    NOTHING,
    "when the GPU is free",
)
MPS_STARTS = Fault(
    "MPS does not take the program (805 to 809)",
    "CUDA error 807 in cuInit: MPS server is not ready to accept new MPS client requests; "
    "look at MPS, by nvidia-cuda-mps-control",
    NOTHING,
    "when MPS takes it",
)
LASTING = {
    700: Fault(
        "A kernel fails: an error that stays (700, 702, 714 to 719)",
        f"CUDA error 700 in cuStreamSynchronize: an illegal memory access was encountered; {_ANEW}",
        DRIVER,
        _NO,
    ),
    810: Fault(
        "MPS ends the program, perhaps for an error of another one",
        "CUDA error 810 in cuStreamSynchronize: the MPS client has been terminated by the server; "
        f"MPS ended it after an error, perhaps of another program; {_ANEW}",
        DRIVER,
        _NO,
    ),
    999: Fault(
        "The GPU is lost (999, or 214 for its memory)",
        f"CUDA error 999 in cuStreamSynchronize: unknown error; {_LOST}",
        DRIVER,
        _NO,
    ),
}
CONTEXT = Fault(
    "TensorRT has no memory for an execution context",
    "tensorrt cannot make an execution context: TensorRT's reason",
    ALL,
    "at the next frame",
)
ENQUEUE = Fault(
    "TensorRT does not take a frame",
    "tensorrt cannot run the engine: TensorRT's reason",
    ALL,
    "at the next frame",
)
FOREIGN = Fault(
    "A frame on the GPU is in a context of its own, as that of pycuda.autoinit",
    "visible is in another CUDA context than the GPU's primary one, where the engine is; with "
    "PyCUDA, import pycuda.autoprimaryctx in place of pycuda.autoinit",
    NOTHING,
    "at the next frame",
)
CURRENT = Fault(
    "Another library's context is current in the thread",
    "none",
    ALL,
    "it is current again afterwards",
)
ORDER = Fault(
    "Streams finish in another order than they began", "none", ALL, "frames keep their order"
)
FAULTS = (
    *(MEMORY, CONTEXT, ENQUEUE, *LASTING.values(), TAKEN, MPS_STARTS),
    *(FOREIGN, CURRENT, ORDER),
)


def tabulate() -> str:
    """As the docs have it."""
    rows = [(f.what, f.says, f.released, f.again) for f in FAULTS]
    titles = ("What happens", "Message", "Memory is released", "Works again")
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"| {' | '.join(titles)} |", "|---|---|---|---|", *lines])
