"""`ship-deploy build`: a model into an engine for one kind of GPU."""

import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from ship_deploy import console
from ship_deploy.artifact import read_artifact
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.flavour import load
from ship_deploy.engines.passport import passport_path, write_engine
from ship_deploy.engines.profile import choose_profile
from ship_deploy.engines.recipe import Recipe, make_recipe
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder, write_atomically
from ship_deploy.models import find_model


def build_file(
    model: str | PathLike[str],
    output: Path,
    *,
    flavour: str | None = None,
    sizes: tuple[str | None, str | None, str | None] = (None, None, None),
    batch: int = 1,
    workspace: int | None = None,
    timing_cache: Path | None = None,
    compute_capabilities: Sequence[str] = (),
    signed_by: Path | None = None,
) -> None:
    """Build an engine and write it, its passport beside it.

    Args:
        model: name of a bundled model, or the path of a `model.onnx`.
        output: the engine.
        flavour: "tensorrt" or "tensorrt-rtx"; None for the one that is installed.
        sizes: the smallest, usual and largest frame, "HxW" each.
        batch: the most frames in a call.
        workspace: memory in MiB that a layer may use.
        timing_cache: file to read if it is there, and to write.
        compute_capabilities: the GPUs to build for, "8.6", ...
        signed_by: file of the public key that the model has to be signed by; None for any.

    Raises:
        UserError: the first step that failed, and why. Nothing is written then.
    """
    path = find_model(model)
    artifact = read_artifact(path, signed_by)
    others = {other.resolve() for other in (path, timing_cache) if other}
    if output.is_dir() or {output.resolve(), passport_path(output).resolve()} & others:
        kind = "is a folder" if output.is_dir() else "would overwrite an input"
        raise UserError(f"{output}: {kind}; give a file for the engine, such as ship.engine")
    profile = choose_profile(artifact.metadata["size"], *sizes, batch)
    recipe = make_recipe(artifact, load(flavour), profile, compute_capabilities, workspace)
    known = None if timing_cache is None else _read_times(timing_cache, recipe)
    folders = (output.parent, *output.absolute().parents)
    make_folder(next(folder for folder in folders if folder.exists()))  # rather fail now than then
    console.ERR.print(f"Build {path} ({artifact.metadata['precision']}) with {_tool(recipe)}")
    console.ERR.print(f"  for {_gpus(recipe)}\n  for {profile}")
    start = time.perf_counter()
    built = build_engine(artifact, recipe, timing_cache=known)
    seconds = time.perf_counter() - start
    make_folder(output.parent)
    write_engine(output, built.engine, recipe)
    if timing_cache is not None and built.timing_cache is not None:
        write_atomically(timing_cache, built.timing_cache)
    console.ERR.print(f"Built {len(built.engine) / 2**20:.1f} MiB in {seconds:.1f} s.")
    print(output)


def _read_times(path: Path, recipe: Recipe) -> bytes:
    if recipe.flavour != "tensorrt":
        raise UserError(f"--timing-cache: {recipe.flavour} uses none; leave it out")
    try:
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise UserError(f"{path}: cannot read it ({error.strerror})") from error


def _tool(recipe: Recipe) -> str:
    return f"{recipe.flavour} {recipe.version}"


def _gpus(recipe: Recipe) -> str:
    capabilities = ", ".join(recipe.compute_capabilities)
    if recipe.gpu is not None and recipe.targets_its_gpu:
        return f"{recipe.gpu.name}, compute capability {capabilities}"
    note = "" if recipe.gpu else " (no GPU was found here)"
    return f"GPUs of compute capability {capabilities}{note}"
