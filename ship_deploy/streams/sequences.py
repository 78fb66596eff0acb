"""Two folders of numbered images, of which some may be missing."""

import logging
from collections.abc import Mapping
from pathlib import Path

from ship_deploy.names import group_by_scene, in_order, name_some
from ship_deploy.streams.sources import RATE, ImageFolder, Source

ENOUGH = 0.5  # of the shorter folder's images have a partner by name; else order is all there is

_log = logging.getLogger("ship_deploy.streams")


def side_by_side(visible: Source, infrared: Source) -> tuple[Source, Source, float | None]:
    """Both sources; of two folders whose images have the same names, each image at its name's time.

    A number that is missing in one folder is then a gap in time there, so that what follows keeps
    its partners. The log says which images have none. Folders that name their images in ways that
    have nothing to do with each other are read as they are, one image after the other.

    Returns:
        Both, and the seconds between two names; None where names say nothing.
    """
    if not (isinstance(visible, ImageFolder) and isinstance(infrared, ImageFolder)):
        return visible, infrared, None
    if not (visible.path.is_dir() and infrared.path.is_dir()):
        return visible, infrared, None
    groups = group_by_scene([(visible.path, "visible"), (infrared.path, "infrared")])
    left = _alone(groups[0], visible.path)
    right = _alone(groups[1], infrared.path)
    common = left.keys() & right.keys()
    if not common or len(common) < ENOUGH * min(len(left), len(right)):
        return visible, infrared, None
    scenes = sorted(left.keys() | right.keys(), key=lambda scene: in_order(Path(scene)))
    if lonely := [str(left.get(s) or right[s]) for s in scenes if s not in common]:
        _log.warning("no image of the same name in the other folder for %s", name_some(lonely))
    sides = [
        [(place, side[scene]) for place, scene in enumerate(scenes) if scene in side]
        for side in (left, right)
    ]
    return visible.only(sides[0]), infrared.only(sides[1]), 1 / RATE


def _alone(scenes: Mapping[str, list[Path]], folder: Path) -> dict[str, Path]:
    """Scenes that have one image in a folder itself; none at all if one has several."""
    found = {}
    for scene, paths in scenes.items():
        inside = [path for path in paths if path.parent == folder]
        if len(inside) > 1:
            return {}
        if inside:
            found[scene] = inside[0]
    return found
