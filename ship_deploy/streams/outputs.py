"""Where results go: images, a function; and closing what they go to."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ship_deploy.files import make_folder
from ship_deploy.images import write_png
from ship_deploy.results import Output, Result


class ImageOutput:
    """A folder of PNG files, 00000000.png and so on.

    Args:
        folder: made if it is not there.
        overwrite: write over files of an earlier run, instead of counting on from them.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        make_folder(folder)
        numbers = [int(p.stem) for p in folder.glob("[0-9]*.png") if re.fullmatch(r"\d{8}", p.stem)]
        self._folder = folder
        self._count = 0 if overwrite else max(numbers, default=-1) + 1

    def write(self, result: Result) -> None:
        """Take a result."""
        write_png(self._folder / f"{self._count:08}.png", result.image)
        self._count += 1

    def close(self) -> None:
        """Nothing is left to do."""


class Callback:
    """A function that is called with every result, such as one that publishes it."""

    def __init__(self, function: Callable[[Result], object]) -> None:
        self._function = function

    def write(self, result: Result) -> None:
        """Take a result."""
        self._function(result)

    def close(self) -> None:
        """Nothing is left to do."""


def close_all(outputs: Iterable[Output]) -> None:
    """Close every output, though one of them fails; then raise what failed first."""
    problem: Exception | None = None
    for output in outputs:
        try:
            output.close()
        except Exception as error:
            problem = problem or error
    if problem:
        raise problem
