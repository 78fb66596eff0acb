"""What backends on this computer's CPU check alike."""

from typing import Any

from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.processors import usable_processors


def threads_of_a_call(threads: int | None) -> int:
    """As many as asked for, or as this process may use.

    Raises:
        UserError: not a whole number from 1 up.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise UserError(f"threads is {threads!r}, expected a whole number from 1 up")
    return threads or usable_processors()


def check_inputs(model: str, taken: int, given: int) -> None:
    """A model that fuses takes as many inputs as there are frames.

    Raises:
        UserError: it takes another number.
    """
    if taken != given:
        raise UserError(f"{model}: takes {taken} inputs, not two frames")


def check_output(model: str, output: NDArray[Any], frame: NDArray[Any]) -> None:
    """What a model gives is a frame like the visible one.

    Raises:
        UserError: its shape or type differs.
    """
    if (output.shape, output.dtype) != (frame.shape, frame.dtype):
        raise UserError(
            f"{model}: gives {output.dtype} {output.shape} for a frame of "
            f"{frame.dtype} {frame.shape}; export it again with python -m export"
        )
