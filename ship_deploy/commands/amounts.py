"""Durations and sizes as they are written on a command line."""

import re

from ship_deploy.errors import UserError

DURATIONS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
SIZES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_duration(text: str | None, option: str) -> float | None:
    """Seconds of "90s", "10min", "1h" or "7d"; None of None.

    Raises:
        UserError: it is none of these, or less than a second.
    """
    if text is None:
        return None
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)(s|min|h|d)", text, re.ASCII)
    seconds = float(parsed[1]) * DURATIONS[parsed[2]] if parsed else 0.0
    if not 1 <= seconds < 1e10:
        raise UserError(f"{option} is {text!r}, expected a duration such as 30s, 10min, 1h or 7d")
    return seconds


def parse_size(text: str) -> int:
    """Bytes of "500MB", "200GB" or "1.5TB".

    Raises:
        UserError: it is none of these.
    """
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)(MB|GB|TB)", text, re.ASCII)
    if parsed is None or not float(parsed[1]):
        raise UserError(f"--keep-size is {text!r}, expected a size such as 500MB, 200GB or 1.5TB")
    return round(float(parsed[1]) * SIZES[parsed[2]])
