"""Damage that finds more than flipped bits do: numbers at their limits, JSON with odd values."""

import json
import random
from typing import Any

LIMITS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LIMITS += (0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
VALUES: tuple[Any, ...] = (None, True, -1, 0, 1, 3, 1e308, -0.5, float("nan"), float("inf"))
VALUES += (10**400, 1 << 31, 1 << 63, 1_000_000, "", "x", "../../x", "\0", "\ud800", "9" * 5000)
VALUES += ([], {}, [[]], [1, 2], {"x": 1}, [[1, 0, 0], [0, 1, 0], [0, 0, 0]])
TEXTS = (
    b"\n",
    b",",
    b"\r\n\r\n",
    b"\xff",
    b"\0",
    b"%00",
    b"NaN",
    b"1e400",
    b"[" * 2000,
    b"9" * 5000,
)


def mutate(content: bytes, chance: random.Random) -> bytes:
    """One to four kinds of damage."""
    for _ in range(chance.randint(1, 4)):
        content = _damage(content, chance)
    return content


def _damage(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    match chance.randrange(7):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + content[place + chance.randint(1, 8) :]
        case 2:
            end = place + chance.randint(1, 64)
            return content[:end] + content[place:end] * chance.choice((1, 2, 50)) + content[end:]
        case 3:
            return content[:place] + chance.choice(TEXTS) + content[place:]
        case 4:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice(LIMITS) % (1 << 8 * size)
            packed = number.to_bytes(size, chance.choice(("little", "big")))
            return content[:place] + packed + content[place + size :]
        case 5:
            return _with_odd_json(content, chance)
        case _:
            flipped = bytearray(content)
            if flipped:
                flipped[place % len(flipped)] ^= 1 << chance.randrange(8)
            return bytes(flipped)


def _with_odd_json(content: bytes, chance: random.Random) -> bytes:
    """The JSON, of the header of a .safetensors file too, with one value replaced or left out."""
    start = content.find(b"{")
    try:
        fields, length = json.JSONDecoder().raw_decode(content[start:].decode("latin-1"))
        _change(fields, chance)
        changed = json.dumps(fields).encode("latin-1", "replace")
    except (ValueError, RecursionError):
        return content
    head = len(changed).to_bytes(8, "little") if start == 8 else content[:start]
    return head + changed + content[start + length :]


def _change(fields: Any, chance: random.Random) -> None:
    if not isinstance(fields, (dict, list)) or not fields:
        return
    keys = list(fields) if isinstance(fields, dict) else list(range(len(fields)))
    key = chance.choice(keys)
    value = fields[key]
    if isinstance(value, str) and value.startswith("{") and chance.random() < 0.7:
        fields[key] = _with_odd_json(value.encode(), chance).decode()  # as metadata hold it
    elif isinstance(value, (dict, list)) and value and chance.random() < 0.7:
        _change(value, chance)
    elif isinstance(fields, dict) and chance.random() < 0.1:
        del fields[key]
    else:
        fields[key] = chance.choice(VALUES)
