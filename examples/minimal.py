"""Two cameras, one loop: `python examples/minimal.py 0 1`, or two addresses, or two videos.

The loop may take its time: frames that come meanwhile are dropped, and `result` is always recent.
Mind what else takes processor time in this process: `threads` bounds the network's threads, and
`cv2.setNumThreads(1)` OpenCV's.
"""

import sys
from collections.abc import Callable

from ship_deploy import Fuser
from ship_deploy.streams import Pipeline, Result, find_source


def main(
    visible: str,
    infrared: str,
    fuse: Callable | None = None,
    show: Callable[[Result], None] = print,
) -> None:
    """Fuse until both sources end."""
    sources = find_source(visible), find_source(infrared, infrared=True)
    with Pipeline(*sources, fuse or Fuser(threads=2)) as pipeline:
        for result in pipeline:
            if not result.fused:
                print("one camera alone:", result.reason)
            show(result)


if __name__ == "__main__":
    main(*sys.argv[1:3], show=lambda result: print(f"{result.time:.3f} s", result.image.shape))
