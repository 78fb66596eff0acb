"""`ship-deploy find-dead-pixels`: frames of an infrared sensor into a map of its dead pixels."""

from pathlib import Path

import numpy as np

from ship_deploy import console
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.images import list_images, read_infrared, write_png
from ship_deploy.thermal import DeadPixels, find_dead_pixels


def map_dead_pixels(folder: Path, output: Path) -> None:
    """Find them in a folder of images, and write a map for `read_dead_pixels`.

    Raises:
        UserError: images that cannot be read, differ in size or tell nothing, or no place to write.
    """
    if output.suffix.lower() != ".png" or output.is_dir():
        raise UserError(f"{output}: maps are written as .png; give such a file")
    if output.parent.resolve() == folder.resolve():
        raise UserError(f"{output}: would be one of the images; give a place outside {folder}")
    frames = [read_infrared(path) for path in list_images(folder)]
    if len({frame.shape for frame in frames}) > 1:
        raise UserError(f"{folder}: the images are of different sizes")
    dead = find_dead_pixels(np.array(frames))
    DeadPixels(dead)  # each can be replaced
    make_folder(output.parent)
    write_png(output, dead.astype(np.uint8) * 255)
    console.ERR.print(f"{np.count_nonzero(dead)} dead pixels of {dead.size}")
    print(output)
