"""Addresses of cameras and servers: where they are read from, and what of them may be shown."""

import os
import re
from pathlib import Path

from ship_deploy.errors import UserError

_ADDRESS = re.compile(r"\b[A-Za-z][\w+.-]*://\S+")
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.%]+\])(?::\d+)?", re.ASCII)
_KEYED = ("rtmp", "rtmps")  # the end of their paths is a key that lets anybody send


def read_address(text: str) -> str:
    """The address (or token) that "ENV:NAME" or "file:PATH" holds; else the text itself.

    All users of a computer can see what is on a command line, but not in a variable or a file.

    Raises:
        UserError: there is no such variable or file, or not one line in it.
    """
    if text.startswith("ENV:"):
        if not (found := os.environ.get(text[4:], "").strip()):
            raise UserError(f"{text}: there is no such environment variable, or it is empty")
        return found
    if text.startswith("file:") and not text.startswith("file://"):
        try:
            found = Path(text[5:]).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text"
            raise UserError(f"{text}: cannot read it ({reason})") from error
        if not found or "\n" in found:
            raise UserError(f"{text}: expected one line")
        return found
    return text


def show_address(address: str) -> str:
    """Scheme, host, port and path of an address.

    Cameras take passwords in front of the host, in the query and in the path (`/password=...`), and
    passwords may hold any character. Where it cannot be told what is one, only the scheme is left.
    """
    scheme, _, rest = address.partition("://")
    before, at, after = rest.rpartition("@")
    if at and ("?" in before or "=" in before):
        return f"{scheme}://..."
    place, *_ = re.split(r"[?#;]", after, maxsplit=1)
    host, slash, path = place.partition("/")
    if not _HOST.fullmatch(host):
        return f"{scheme}://..."
    path = re.sub(r"[^/]*[=&].*", "...", path)
    if scheme.lower() in _KEYED and "/" in path:
        path = path[: path.index("/") + 1] + "..."
    return f"{scheme}://{host}{slash}{path}"


def without_secrets(text: str) -> str:
    """A message fit for a log."""
    return _ADDRESS.sub(lambda found: show_address(found[0]), text)
