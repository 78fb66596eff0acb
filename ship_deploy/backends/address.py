"""Where a model is served: `grpc://HOST:PORT/MODEL`, with settings behind a question mark."""

import math
from dataclasses import dataclass
from typing import TypeGuard
from urllib.parse import parse_qsl, unquote, urlsplit

from ship_deploy.errors import UserError

SCHEMES = ("http", "https", "grpc", "grpcs")
EXAMPLE = "grpc://localhost:8001/ship-t"
_SETTINGS = ("deadline", "retries", "memory", "ca", "cert", "key")


@dataclass(frozen=True)
class Address:
    """A model on a server, and how it is asked.

    Attributes:
        scheme: "http" or "grpc"; with an "s", TLS.
        place: HOST:PORT.
        model: its name there.
        version: of the model; "" for the one that the server chooses.
        deadline: seconds for a frame, attempts and pauses included.
        retries: further attempts while the server is unavailable.
        shared: frames go through memory that both sides map, on one computer.
        ca: file of the certificates that are trusted, PEM; None for the system's.
        cert: file of the client's own certificate, PEM, if the server asks for one.
        key: file of its key.
    """

    scheme: str
    place: str
    model: str
    version: str = ""
    deadline: float = 2.0
    retries: int = 3
    shared: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __str__(self) -> str:
        """Without settings, as messages show it."""
        version = f"/{self.version}" if self.version else ""
        return f"{self.scheme}://{self.place}/{self.model}{version}"

    @property
    def protocol(self) -> str:
        """The scheme without TLS."""
        return self.scheme.removesuffix("s")

    @property
    def encrypted(self) -> bool:
        """Whether TLS is used."""
        return self.scheme.endswith("s")


def is_address(model: object) -> TypeGuard[str]:
    """Whether a model is meant as one on a server."""
    return isinstance(model, str) and model.lower().startswith(tuple(f"{s}://" for s in SCHEMES))


def parse_address(text: str) -> Address:
    """The parts of `SCHEME://HOST:PORT/MODEL[/VERSION][?SETTING=VALUE&...]`.

    Raises:
        UserError: it is not of this form, a setting is unknown or has no such value.
    """
    shown = text.partition("?")[0]
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UserError(f"{shown}: not an address ({error}); expected such as {EXAMPLE}") from error
    model, *version = [unquote(part) for part in parts.path.strip("/").split("/")]
    numbered = not version or (len(version) == 1 and version[0].isdecimal())
    known = parts.scheme in SCHEMES and parts.hostname and port and "@" not in parts.netloc
    if not (known and model and numbered) or parts.fragment:
        raise UserError(f"{shown}: expected SCHEME://HOST:PORT/MODEL, such as {EXAMPLE}")
    settings = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := settings.keys() - set(_SETTINGS):
        raise UserError(
            f"{shown}: unknown setting {min(unknown)!r}; there are {', '.join(_SETTINGS)}"
        )
    if (memory := settings.get("memory")) not in (None, "shared"):
        raise UserError(f"{shown}: memory is {memory!r}, expected shared")
    address = Address(
        parts.scheme,
        parts.netloc,
        model,
        "".join(version),
        _seconds(shown, settings.get("deadline", str(Address.deadline))),
        _count(shown, settings.get("retries", str(Address.retries))),
        memory == "shared",
        *(settings.get(name) or None for name in ("ca", "cert", "key")),
    )
    if (address.ca or address.cert or address.key) and not address.encrypted:
        raise UserError(f"{shown}: ca, cert and key are for https:// and grpcs://")
    if bool(address.cert) != bool(address.key):
        raise UserError(f"{shown}: cert and key go together")
    return address


def _seconds(shown: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"{shown}: deadline is {text!r}, expected seconds, such as 0.5")
    return seconds


def _count(shown: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UserError(f"{shown}: retries is {text!r}, expected a whole number from 0 up")
    return int(text)
