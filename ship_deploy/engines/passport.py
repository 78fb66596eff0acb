"""The passport of an engine: `MODEL.engine.json`, read before the engine is trusted.

An engine is a program for one TensorRT and one kind of GPU. TensorRT does not check what it is
given to load: a damaged engine can crash the process. So nothing goes to its deserializer that is
not, byte for byte, what was built; the passport holds the digests that show it. They protect
against accidents, not against somebody who writes a new passport.
"""

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ship_deploy.cuda.gpu import find_gpu
from ship_deploy.engines.flavour import load
from ship_deploy.engines.recipe import Recipe
from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from ship_deploy.signatures import check_signature

FORMAT = 1


@dataclass(frozen=True)
class Passport:
    """What one engine file is.

    Attributes:
        recipe: what it was built from, with and for.
        engine_digest: SHA-256 of the file, in hex.
        engine_bytes: its size.
    """

    recipe: Recipe
    engine_digest: str
    engine_bytes: int

    @property
    def as_json(self) -> dict[str, Any]:
        """What the file holds, except the digest at its end."""
        engine = {"digest": self.engine_digest, "bytes": self.engine_bytes}
        return {"format": FORMAT, "engine": engine, **self.recipe.as_json}


def passport_path(engine: Path) -> Path:
    """Where the passport of an engine lies."""
    return engine.with_name(f"{engine.name}.json")


def write_engine(path: Path, engine: bytes, recipe: Recipe) -> Passport:
    """Write an engine, then its passport, each whole or not at all.

    If the process dies in between, the passport that lay there before does not fit the engine.

    Raises:
        UserError: the folder cannot be written to, or is full.
    """
    passport = Passport(recipe, hashlib.sha256(engine).hexdigest(), len(engine))
    write_atomically(path, engine)
    write_atomically(passport_path(path), _render(passport.as_json))
    return passport


def read_engine(
    path: Path, device: int = 0, signed_by: Path | None = None
) -> tuple[bytes, Passport]:
    """Read an engine that may go to the deserializer on this machine.

    Checks the passport, then the engine's digest and signature, then the TensorRT that is
    installed, then the GPU. The driver is noted in the passport and not compared: engines outlive
    its updates.

    Args:
        path: the engine.
        device: number of the GPU that it shall run on.
        signed_by: see `read_whole`.

    Returns:
        The engine and its passport.

    Raises:
        UserError: the first difference, and the command that builds the engine anew.
    """
    engine, passport = read_whole(path, signed_by)
    recipe = passport.recipe
    try:
        version = load(recipe.flavour).version
    except UserError as error:
        raise UserError(f"{path}: needs {recipe.flavour} {recipe.version}: {error}") from error
    _compare(path, recipe, f"the version of {recipe.flavour}", version, recipe.version)
    try:
        gpu = find_gpu(device)
    except UserError as error:
        raise UserError(f"{path}: an engine runs on a GPU only: {error}") from error
    if gpu.compute_capability not in recipe.compute_capabilities:
        built_for = ", ".join(recipe.compute_capabilities)
        _compare(path, recipe, "the compute capability", gpu.compute_capability, built_for)
    if recipe.flavour == "tensorrt":  # its kernels were picked by timing them on that GPU
        _compare(path, recipe, "the GPU", gpu.name, recipe.gpu.name if recipe.gpu else None)
    return engine, passport


def read_whole(path: Path, signed_by: Path | None = None) -> tuple[bytes, Passport]:
    """Read an engine and its passport, and check that both are whole and belong together.

    Args:
        path: the engine.
        signed_by: file of the public key that it has to be signed by, see `check_signature`.

    Raises:
        UserError: one is missing, damaged or edited, they are not of one build, or the engine is
            not signed by that key.
    """
    passport = _read_passport(path)
    again = f"build it again: {passport.recipe.command(str(path))}"
    try:
        engine = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the engine ({error.strerror}); {again}") from error
    _compare(
        path, passport.recipe, "the engine's size in bytes", len(engine), passport.engine_bytes
    )
    digest = hashlib.sha256(engine).hexdigest()
    _compare(path, passport.recipe, "the engine's digest", digest, passport.engine_digest)
    if signed_by is not None:
        check_signature(path, engine, signed_by)
    return engine, passport


def _read_passport(path: Path) -> Passport:
    beside = passport_path(path)
    again = f"build the engine again: ship-deploy build MODEL.onnx -o {shlex.quote(str(path))}"
    try:
        content = beside.read_bytes()
    except OSError as error:
        raise UserError(
            f"{beside}: cannot read the engine's passport ({error.strerror}); {again}"
        ) from error
    try:
        body = json.loads(content)
        found = body.pop("digest")
        whole = content == _render(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{beside}: not the passport of an engine; {again}") from error
    if not whole:
        expected = _digest(body)
        detail = f"digest {found} found, {expected} expected" if found != expected else "its layout"
        raise UserError(f"{beside}: the passport was edited or damaged ({detail}); {again}")
    if (number := body.pop("format", None)) != FORMAT:
        raise UserError(f"{beside}: the passport's format is {number}, expected {FORMAT}; {again}")
    try:
        engine = body.pop("engine")
        if type(engine["digest"]) is not str or type(engine["bytes"]) is not int:
            raise TypeError("engine")
        return Passport(Recipe.from_json(body), engine["digest"], engine["bytes"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{beside}: the passport has missing or unknown fields; {again}") from error


def _compare(path: Path, recipe: Recipe, field: str, found: object, expected: object) -> None:
    if found != expected:
        raise UserError(
            f"{path}: {field} is {found}, the passport says {expected}; "
            f"build it again: {recipe.command(str(path))}"
        )


def _render(body: dict[str, Any]) -> bytes:
    return (json.dumps({**body, "digest": _digest(body)}, indent=2) + "\n").encode()


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
