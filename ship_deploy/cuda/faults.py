"""What helps when CUDA fails, by the status of the call that failed."""

from ship_deploy.errors import LastingError, UserError

_ANEW = "start the program anew, CUDA does not work again in this process"
_LOST = f"look at nvidia-smi and `dmesg | grep Xid`, the GPU may be lost; {_ANEW}"
_MPS = "look at MPS, by nvidia-cuda-mps-control"
HELP = {
    2: "end other programs on the GPU, or fuse smaller frames",  # out of memory
    46: "another process has the GPU for itself, or it is lost: see nvidia-smi",
    214: _LOST,  # an uncorrectable error of its memory
    **dict.fromkeys((226, 700, 702, 714, 715, 716, 717, 718, 719), _ANEW),  # of a kernel
    **dict.fromkeys((805, 806, 807, 808, 809), _MPS),
    810: f"MPS ended it after an error, perhaps of another program; {_ANEW}",
    999: _LOST,
}
"""Status -> what to do. The numbers of the driver and of the runtime are the same here.

That nothing works again is what NVIDIA documents for errors of kernels, and for 810.
"""


def describe(status: int, reason: str) -> str:
    """CUDA's reason, and what to do about it."""
    return f"{reason}; {HELP[status]}" if status in HELP else reason


def failure(status: int, message: str) -> UserError:
    """The error to raise, with a message that ends in CUDA's reason."""
    lasts = HELP.get(status, "").endswith(_ANEW)
    return (LastingError if lasts else UserError)(describe(status, message))
