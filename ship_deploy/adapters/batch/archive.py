"""What a job works on: pairs of images from folders or lists, or recordings."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ship_deploy.adapters.batch.places import find_place, is_remote, reached
from ship_deploy.errors import UserError, how_to_install
from ship_deploy.images import LONELY, pair_folders

LISTS = (".csv", ".parquet")
BAGS = (".mcap", ".bag")
METADATA = "metadata.yaml"  # of a folder of rosbag2
SIDES = ("visible", "infrared")


class Item(NamedTuple):
    """A pair or a recording.

    Attributes:
        name: of its output in the target, without suffix.
        inputs: paths or addresses: of a visible and an infrared image, or of a recording.
        problem: why it cannot be fused, as far as that is known; "" if it is not.
    """

    name: str
    inputs: tuple[str, ...]
    problem: str = ""


def find_items(source: str, infrared: str | None, bags: bool) -> list[Item]:
    """All items of a source, each with a name of its own.

    Args:
        source: a list; a folder of visible images, or one with `visible` and `infrared` in it; or a
            recording, or a folder of them. Paths, or addresses in an object store.
        infrared: the folder of infrared images, or None.
        bags: whether recordings are meant.

    Raises:
        UserError: it cannot be read, is empty, or two items have one name.
    """
    place = find_place(source)
    with reached(place):
        if not place.exists():
            raise UserError(f"{source}: no such file or folder")
        if place.suffix.lower() in LISTS:
            if infrared is not None:
                raise UserError(f"{source}: a list names the infrared images, too")
            items = list(_listed(place, bags))
        elif bags:
            items = list(_recordings(place))
        else:
            items = list(_pairs(place, infrared))
    if not items:
        raise UserError(f"{source}: contains no {'recordings' if bags else 'pairs'}")
    known: dict[str, Item] = {}
    for item in items:
        if known.setdefault(item.name, item) is not item:
            first, second = known[item.name].inputs[0], item.inputs[0]
            raise UserError(
                f"{source}: {first} and {second} would both become {item.name}; "
                "a column called name in a list tells them apart"
            )
    return items


def _pairs(place: Path, infrared: str | None) -> Iterator[Item]:
    """Pairs of two folders. An image without a partner is an item that has a problem."""
    folders = [place / side for side in SIDES]
    if infrared is not None:
        folders = [place, find_place(infrared)]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; see ship-deploy batch --help")
    if str(folders[0]) == str(folders[1]):
        raise UserError(f"{place}: one folder given twice")
    pairs, lonely = pair_folders(*folders)
    taken = set()
    for pair in pairs:
        taken.add(pair.name)
        yield Item(pair.name, (str(pair.visible), str(pair.infrared)))
    for path in lonely:
        side = next(n for n, f in enumerate(folders) if path.is_relative_to(f))
        name = str(path.relative_to(folders[side]).with_suffix(""))
        while name in taken:
            name += f" ({SIDES[side]})"
        taken.add(name)
        yield Item(name, (str(path),), LONELY)


def _recordings(place: Path) -> Iterator[Item]:
    """The recording at a place, or those in a folder and below it; named by their paths."""
    if place.suffix.lower() in BAGS or (place / METADATA).exists():
        yield Item(place.stem if place.suffix.lower() in BAGS else place.name, (str(place),))
        return
    inside = [path for path in place.rglob("*") if not _is_hidden(path, place)]
    whole = sorted({str(path.parent) for path in inside if path.name == METADATA})
    for folder in whole:
        yield Item(str(find_place(folder).relative_to(place)), (folder,))
    for path in sorted(inside, key=str):
        if path.suffix.lower() in BAGS and str(path.parent) not in whole:
            yield Item(str(path.relative_to(place).with_suffix("")), (str(path),))


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _listed(place: Path, bags: bool) -> Iterator[Item]:
    """The rows of a list, with the columns visible and infrared, or bag; and perhaps name."""
    columns = ("bag",) if bags else SIDES
    for number, row in enumerate(_rows(place), 1):
        inputs = [value for c in columns if isinstance(value := row.get(c), str) and value]
        if len(inputs) < len(columns):
            wanted = " and ".join(columns)
            raise UserError(f"{place}, row {number}: expected text in the columns {wanted}")
        name = row.get("name") or _name(inputs[0])
        if not isinstance(name, str) or not _stays_inside(name):
            raise UserError(
                f"{place}, row {number}: {name!r} is no name for an output; give one inside the "
                "target, without .., in a column called name"
            )
        yield Item(name, tuple(_resolve(value, place.parent) for value in inputs))


def _rows(place: Path) -> Iterator[dict[str, Any]]:
    """The rows of a CSV or Parquet file, a batch of them in memory at a time."""
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
    except ImportError as error:
        raise UserError(f"lists need {error.name}; {how_to_install('ray')}") from error
    try:
        with place.open("rb") as file:
            if place.suffix.lower() == ".csv":
                text = csv.ConvertOptions(
                    column_types=dict.fromkeys(("name", "bag", *SIDES), pa.string())
                )
                batches = csv.open_csv(file, convert_options=text)
            else:
                batches = parquet.ParquetFile(file).iter_batches()
            for batch in batches:
                yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise UserError(f"{place}: cannot read the list ({error})") from error


def _name(path: str) -> str:
    """What an output is called: the path as listed, without root, store and suffix."""
    if "://" in path:
        parts = urlsplit(path)
        path = f"{parts.netloc}{parts.path}"
    return str(PurePosixPath(path.lstrip("/")).with_suffix("")) if path.strip("/.") else ""


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name


def _resolve(path: str, folder: Path) -> str:
    """A path of a list; a relative one counts from the list's folder."""
    if "://" in path:
        return path
    return str(folder / path) if is_remote(folder) else os.path.normpath(folder / path)
