"""Signatures as pybind11 writes them into docstrings, and whether a call fits one."""

import re
from typing import NamedTuple

_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Call(NamedTuple):
    """How our code calls a function: how many positional arguments, and which keywords."""

    positional: int
    keywords: tuple[str, ...]


def signatures(docstring: str) -> list[str]:
    """The argument lists in a docstring, of all overloads, without `self`."""
    found = re.findall(r"^(?:\d+\. )?\w+\((.*)\) -> ", docstring, re.MULTILINE)
    return [_without_self(text) for text in found if not text.startswith("*args")]


def fits(call: Call, signature: str) -> bool:
    """Whether a function of this signature takes the call."""
    parameters = [part.strip() for part in _split(signature) if part.strip()]
    names = [re.split(r"[:=]", part)[0].strip() for part in parameters]
    needed = {n for n, p in zip(names, parameters, strict=True) if "=" not in _bare(p)}
    given = {*names[: call.positional], *call.keywords}
    after = names[call.positional :]
    return (
        call.positional <= len(names)
        and all(keyword in after for keyword in call.keywords)
        and needed <= given
    )


def _without_self(text: str) -> str:
    first, *others = _split(text)
    return ",".join(others).strip() if first.split(":")[0].strip() == "self" else text


def _split(text: str) -> list[str]:
    """At commas that are in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += _BRACKETS.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _bare(text: str) -> str:
    """Without what is in brackets or angle brackets, as the repr of a default is."""
    return re.sub(r"<[^<>]*>|\[[^\[\]]*\]", "", text)
