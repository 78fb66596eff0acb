"""Option files of SHIP's and FISCNet's authors, which are BasicSR's: read, and put into our terms.

https://github.com/zheng980629/SHIP, options/. A rule says what one of their settings is here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ship_deploy.errors import UserError

Options = Mapping[str, Any]
Rule = Callable[[Any, Options, Options], Mapping[str, Any] | str]
"""Of a setting's value, the section that it stands in and the whole file: what becomes of it.

That is settings of ours, or a remark; a UserError where it asks for what we cannot do.
"""

NETWORKS = {"highOrderInteractionFusion": "ship", "FISCNet": "fiscnet"}


@dataclass(frozen=True)
class Translation:
    """What an option file means.

    Attributes:
        settings: ours, by name.
        lines: what became of each of theirs, in their order.
    """

    settings: dict[str, Any]
    lines: list[str]


def read_options(path: Path) -> dict[str, Any]:
    """The sections of an option file.

    Raises:
        UserError: it cannot be read, or PyYAML is missing.
    """
    try:
        import yaml
    except ImportError as error:
        raise UserError("option files need PyYAML; pip install pyyaml") from error
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable YAML file ({reason})") from error
    if not isinstance(options, dict):
        raise UserError(f"{path}: not an option file: it holds no sections")
    return options


def translate(path: Path, options: Options, rules: Mapping[str, Rule]) -> Translation:
    """Put an option file into our terms.

    Args:
        path: where it was read from, for messages.
        options: its content.
        rules: by dotted key, * for anything but a dot; the first one that fits counts.

    Raises:
        UserError: names what it asks for that we cannot do.
    """
    settings: dict[str, Any] = {}
    lines = []
    for key, value, section in _flat(options):
        rule = next((rule for pattern, rule in rules.items() if _fits(key, pattern)), None)
        try:
            found = "no counterpart" if rule is None else rule(value, section, options)
        except (UserError, TypeError, ValueError) as error:
            raise UserError(f"{path}: {key}: {value}: {error}") from error
        if not isinstance(found, str):
            settings |= found
            found = ", ".join(f"{name}={_plain(v)}" for name, v in found.items())
        lines.append(f"{key}: {_plain(value)} -> {found}")
    return Translation(settings, lines)


def only(expected: Any, remark: str = "the only way here") -> Rule:
    """A rule for a setting that we can do in one way only."""

    def rule(value: Any, section: Options, options: Options) -> str:
        if value != expected:
            raise UserError(f"has no counterpart; expected {_plain(expected)}")
        return remark

    return rule


def remark(text: str) -> Rule:
    """A rule for a setting that changes no result."""
    return lambda value, section, options: text


def network(value: Any, section: Options, options: Options) -> str:
    """Our name of a network of theirs."""
    if value not in NETWORKS:
        raise UserError(f"unknown network; expected {' or '.join(NETWORKS)}")
    return NETWORKS[value]


def _fits(key: str, pattern: str) -> bool:
    names, patterns = key.split("."), pattern.split(".")
    return len(names) == len(patterns) and all(map(fnmatch, names, patterns))


def _flat(section: Options, prefix: str = "") -> Iterator[tuple[str, Any, Options]]:
    """Dotted key, value, and the section that holds it, of every setting."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, section


def _plain(value: Any) -> str:
    """As YAML writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
