"""Points that somebody clicked, from a file."""

import csv
import io
from pathlib import Path

import numpy as np

from ship_deploy.errors import UserError
from ship_deploy.geometry.homography import Points

COLUMNS = ("infrared_x", "infrared_y", "visible_x", "visible_y")


def read_points(path: Path) -> tuple[Points, Points]:
    """Points of the infrared frame and of the visible one, (N, 2) each, in pixels.

    The file is CSV with a header, the names in COLUMNS; (0, 0) is the centre of the first pixel.

    Raises:
        UserError: the file cannot be read, or the line that is no point.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise UserError(f"{path}: cannot read the points ({reason})") from error
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    if set(reader.fieldnames or ()) != set(COLUMNS):
        raise UserError(f"{path}: the first line must be {','.join(COLUMNS)}")
    rows = []
    for row in reader:
        try:
            rows.append([float(row.pop(name)) for name in COLUMNS])
            if row:  # what is too much
                raise ValueError
        except (TypeError, ValueError):
            raise UserError(
                f"{path}, line {reader.line_num}: expected four numbers, {','.join(COLUMNS)}"
            ) from None
    points = np.array(rows, np.float64).reshape(-1, 4)
    if not np.isfinite(points).all():
        raise UserError(f"{path}: contains NaN or infinite numbers")
    return points[:, :2], points[:, 2:]
