"""HOST:PORT."""

import re

from ship_deploy.errors import UserError

LOOPBACK = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT" or "[::1]:8080"; a port alone is on this machine only.

    Raises:
        UserError: it is none of these.
    """
    parsed = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[\w.-]+):)?(\d{1,5})", text, re.ASCII)
    if parsed is None or int(parsed[2]) > 65535:
        raise UserError(
            f"--serve is {text!r}, expected HOST:PORT, such as {LOOPBACK}:8080, or a port for this "
            "machine only; 0.0.0.0:8080 shows the cameras to everyone on the network"
        )
    return (parsed[1] or LOOPBACK).strip("[]"), int(parsed[2])
