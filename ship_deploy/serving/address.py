"""HOST:PORT."""

import contextlib
import ipaddress
import re
import socket
from pathlib import Path

from ship_deploy.errors import UserError

LOOPBACK = "127.0.0.1"
HOSTS = Path("/etc/hosts")


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


def names_of_this_machine() -> frozenset[str]:
    """What a browser on this machine may call it, in lower case.

    These are localhost, the host's name, that with .local, and those of loopback addresses in
    /etc/hosts. No name server is asked: whoever owns a name can make it point here.
    """
    host = socket.gethostname().lower()
    names = {"localhost", host, f"{host.partition('.')[0]}.local"}
    with contextlib.suppress(OSError):
        for line in HOSTS.read_text(errors="replace").splitlines():
            address, *listed = line.partition("#")[0].split() or [""]
            with contextlib.suppress(ValueError):
                if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
                    names.update(name.lower() for name in listed)
    return frozenset(names)
