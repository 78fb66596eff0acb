"""Every key of a config with its default and meaning: `python -m training config`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from training import networks
from training.config import Config, Network, network_section

REQUIRED = {"run.name": "mine"}
WIDTH = 96


def render(network: str) -> str:
    """A config with all defaults, which trains once its folder is there; meanings as comments.

    Args:
        network: whose settings are in it.

    Raises:
        UserError: there is no such network.
    """
    lines = []
    for name, field in Config.model_fields.items():
        section = field.annotation
        assert isinstance(section, type) and issubclass(section, BaseModel)
        lines += ["", f"# {_first(section)}", f"{name}:"]
        if section is Network:
            lines += _network(network)
        else:
            for key, about in section.model_fields.items():
                lines += _setting(f"{name}.{key}", about)
    return "\n".join(lines[1:]) + "\n"


def _setting(key: str, field: FieldInfo) -> Iterator[str]:
    name = key.split(".")[1]
    [item] = [kind for kind in get_args(field.annotation) if _is_section(kind)] or [None]
    meaning = [_meaning(field)]
    if key == "data.folders":
        yield from _with_comment(f"{name}:", meaning)
        yield "    -"
        for part, about in item.model_fields.items():
            value = "my-pairs" if part == "path" else _yaml(about.default)
            yield from _with_comment(f"{part}: {value}", [_meaning(about)], 6)
        return
    default = REQUIRED.get(key) or _yaml(field.default)
    yield from _with_comment(f"{name}: {default}", meaning)


def _network(network: str) -> Iterator[str]:
    module = networks.find(network).module
    section = network_section({"name": network})
    text = inspect.cleandoc(module.__doc__ or "")
    arguments = text.partition("Args:\n")[2]
    found = dict(re.findall(r"^    (\w+): ((?:.|\n(?!    \w+:))*)", arguments, re.MULTILINE))
    yield from _with_comment(
        f"name: {network}",
        [_meaning(Network.model_fields["name"]), f"One of {', '.join(networks.names())}."],
    )
    for key, field in section.model_fields.items():
        if key != "name":
            meaning = found.get(key, "")
            yield from _with_comment(f"{key}: {_yaml(field.default)}", [meaning])


def _with_comment(setting: str, meaning: list[str], indent: int = 2) -> Iterator[str]:
    text = " ".join(" ".join(meaning).split())
    lines = re.findall(rf".{{1,{WIDTH - indent}}}(?:\s|$)", text)
    yield from (f"{' ' * indent}# {line.strip()}" for line in lines)
    yield f"{' ' * indent}{setting}"


def _meaning(field: FieldInfo) -> str:
    assert field.description, field
    kinds = get_args(field.annotation)
    choices = [kind for kind in kinds if isinstance(kind, str)]
    told = all(choice in field.description for choice in choices)
    return field.description + ("" if told else f" One of {', '.join(choices)}.")


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _first(section: type[BaseModel]) -> str:
    return inspect.cleandoc(section.__doc__ or "").splitlines()[0]


def _yaml(value: Any) -> str:
    plain = str(value) if isinstance(value, Path) else value
    plain = list(plain) if isinstance(plain, tuple) else plain
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("...\n").strip()
