"""Nothing but the bytes that were built, on the machine they were built for, is let through."""

import json
import random
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ship_deploy import UserError
from ship_deploy.artifact import Artifact
from ship_deploy.cuda.gpu import Gpu
from ship_deploy.engines import cache, passport
from ship_deploy.engines.builder import Built
from ship_deploy.engines.passport import (
    Passport,
    passport_path,
    read_engine,
    read_whole,
    write_engine,
)
from ship_deploy.engines.profile import Profile
from ship_deploy.engines.recipe import Recipe
from ship_deploy.signatures import signature_path

BOARD = Gpu("A board", "8.6", "13.0")
ENGINE = random.Random(0).randbytes(400)
RECIPE = Recipe(
    model="ship.onnx",
    model_digest="5eed" * 16,
    metadata={"precision": "fp32", "size": "any", "fidelity": {"raw_error": 1.6e-06}},
    flavour="tensorrt-rtx",
    version="1.7.1.116",
    package_version="0.1.0",
    compute_capabilities=("8.6", "8.9"),
    gpu=None,
    profile=Profile((1, 16, 16), (1, 480, 640), (1, 1080, 1920)),
)
FOR_TENSORRT = replace(
    RECIPE, flavour="tensorrt", version="10.13.3", gpu=BOARD, compute_capabilities=("8.6",)
)
MUTATIONS = 1200


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """This machine, as far as the checks can see: both flavours, and a board."""
    here = SimpleNamespace(
        gpu=BOARD, versions={r.flavour: r.version for r in (RECIPE, FOR_TENSORRT)}
    )
    monkeypatch.setattr(passport, "find_gpu", lambda device: here.gpu)
    monkeypatch.setattr(passport, "load", lambda name: SimpleNamespace(version=here.versions[name]))
    return here


@pytest.fixture
def engine(tmp_path) -> Path:
    path = tmp_path / "ship.engine"
    write_engine(path, ENGINE, RECIPE)
    return path


def check_refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as error:
        read_engine(path)
    assert all(word in str(error.value) for word in words), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("recipe", [RECIPE, FOR_TENSORRT, replace(RECIPE, gpu=BOARD, workspace=64)])
def test_what_was_written_is_read(tmp_path, recipe):
    path = tmp_path / "ship.engine"
    written = write_engine(path, ENGINE, recipe)
    assert read_engine(path) == (ENGINE, written)
    assert read_whole(path)[1].recipe == recipe
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ship.engine", "ship.engine.json"]


def test_the_passport_is_json_that_says_what_the_engine_is(engine):
    passport = json.loads(passport_path(engine).read_text())
    assert passport["format"] == 1
    assert passport["engine"]["bytes"] == len(ENGINE)
    assert passport["metadata"] == RECIPE.metadata
    assert (passport["flavour"], passport["version"]) == ("tensorrt-rtx", "1.7.1.116")
    assert passport["compute_capabilities"] == ["8.6", "8.9"]
    assert passport["profile"]["opt"] == [1, 480, 640]
    assert passport["gpu"] is None


def mutate(dice: random.Random, content: bytes, other: bytes) -> bytes:
    """Flip bits, cut, lengthen, overwrite, or swap for another file."""
    place = dice.randrange(len(content))
    match dice.randrange(6):
        case 0:
            return (
                content[:place]
                + bytes([content[place] ^ 1 << dice.randrange(8)])
                + content[place + 1 :]
            )
        case 1:
            return content[:place]
        case 2:
            return content + dice.randbytes(dice.randint(1, 9))
        case 3:
            return content[:place] + dice.randbytes(1 + len(content) // 20) + content[place + 10 :]
        case 4:
            return content[:place] + content[place + 1 :]
        case _:
            return other


def test_no_mutated_pair_reaches_the_deserializer(tmp_path):
    dice = random.Random(1)
    path, others = tmp_path / "ship.engine", tmp_path / "other.engine"
    write_engine(path, ENGINE, RECIPE)
    write_engine(others, ENGINE[::-1], FOR_TENSORRT)
    pair, other = ([p.read_bytes(), passport_path(p).read_bytes()] for p in (path, others))

    def deserialize(engine: bytes) -> None:
        deserialized.append(engine)

    deserialized: list[bytes] = []
    refused = 0
    while refused < MUTATIONS:
        mutated = list(pair)
        for side in dice.choice([(0,), (1,), (0, 1)]):
            mutated[side] = mutate(dice, pair[side], other[side])
        if mutated in (pair, other):  # unchanged, or another valid pair as a whole
            continue
        path.write_bytes(mutated[0])
        passport_path(path).write_bytes(mutated[1])
        try:
            deserialize(read_engine(path)[0])
        except UserError as error:
            assert "\n" not in str(error)
            refused += 1
        assert not deserialized, mutated

    path.write_bytes(pair[0])
    passport_path(path).write_bytes(pair[1])
    deserialize(read_engine(path)[0])
    assert deserialized == [ENGINE]  # so the way there was open


def test_every_byte_of_a_passport_counts(engine):
    """White space too."""
    content = passport_path(engine).read_bytes()
    for place in range(len(content)):
        edited = bytearray(content)
        edited[place] ^= 0x01
        passport_path(engine).write_bytes(edited)
        with pytest.raises(UserError):
            read_engine(engine)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not the passport of an engine"),
        (b"[]", "not the passport of an engine"),
        (b"{}", "not the passport of an engine"),
        (b"\xff\xfe", "not the passport of an engine"),
        (b"[" * 100_000, "not the passport of an engine"),
        (b'{"digest": "0"}', "the passport was edited or damaged (digest 0 found, "),
    ],
)
def test_what_is_no_passport(engine, content, message):
    passport_path(engine).write_bytes(content)
    check_refused(engine, message, "build the engine again: ship-deploy build MODEL.onnx -o ")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"format": 2}, "the passport's format is 2, expected 1"),
        ({"more": 1}, "has missing or unknown fields"),
        ({"profile": {"min": [1, 2]}}, "has missing or unknown fields"),
        ({"engine": []}, "has missing or unknown fields"),
        ({"gpu": {"name": "x"}}, "has missing or unknown fields"),
    ],
)
def test_a_passport_of_another_kind(engine, edit, message):
    body = Passport(RECIPE, "", 0).as_json | edit
    passport_path(engine).write_bytes(passport._render(body))
    check_refused(engine, message)


def test_an_engine_without_passport_and_a_passport_without_engine(engine):
    passport_path(engine).rename(engine.with_name("away"))
    check_refused(engine, "ship.engine.json: cannot read the engine's passport (No such file")
    engine.with_name("away").rename(passport_path(engine))
    engine.unlink()
    check_refused(engine, "ship.engine: cannot read the engine (No such file")


def test_a_crash_between_the_two_files_leaves_nothing_usable(engine, monkeypatch):
    real = passport.write_atomically

    def crash(path, content):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(passport, "write_atomically", crash)
    with pytest.raises(KeyboardInterrupt):
        write_engine(engine, ENGINE[::-1], RECIPE)
    assert engine.read_bytes() == ENGINE[::-1]
    check_refused(engine, "the engine's digest is ", ", the passport says ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", 3),
        ("metadata", []),
        ("metadata", {"precision": None}),
        ("flavour", None),
        ("compute_capabilities", [8.6]),
        ("gpu", {"name": "A board", "compute_capability": 8, "driver": "13.0"}),
        ("profile", {"min": [1, 16, 16], "opt": [1, 16, 16], "max": [1, 16, 2**70]}),
        ("profile", {"min": [1, 16], "opt": [1, 16, 16], "max": [1, 16, 16]}),
        ("profile", {"min": [1, 16, True], "opt": [1, 16, 16], "max": [1, 16, 16]}),
        ("workspace", -1),
        ("engine", {"digest": "0", "bytes": "400"}),
        ("engine", {"digest": 0, "bytes": 400}),
    ],
)
def test_values_of_other_kinds_though_the_digest_is_right(engine, key, value):
    body = json.loads(passport_path(engine).read_bytes())
    del body["digest"]
    passport_path(engine).write_bytes(passport._render({**body, key: value}))
    check_refused(engine, "the passport has missing or unknown fields")


def test_a_refusal_says_which_field_and_how_to_build_again(engine, machine):
    engine.write_bytes(ENGINE[:-1])
    check_refused(
        engine,
        "the engine's size in bytes is 399, the passport says 400",
        f"build it again: ship-deploy build ship.onnx -o {engine} --flavour tensorrt-rtx "
        "--min 16x16 --opt 480x640 --max 1080x1920 "
        "--compute-capability 8.6 --compute-capability 8.9",
    )
    engine.write_bytes(ENGINE)
    machine.versions["tensorrt-rtx"] = "1.8.0"
    check_refused(
        engine, "the version of tensorrt-rtx is 1.8.0, the passport says 1.7.1.116; build it"
    )


def test_another_gpu(engine, machine):
    machine.gpu = Gpu("Another", "8.9", "12.0")
    read_engine(engine)  # it was built for that one as well
    machine.gpu = Gpu("Another", "12.0", "13.0")
    check_refused(engine, "the compute capability is 12.0, the passport says 8.6, 8.9")


def test_an_engine_of_tensorrt_is_for_one_gpu(engine, machine):
    write_engine(engine, ENGINE, FOR_TENSORRT)
    machine.gpu = replace(BOARD, driver="13.1")
    read_engine(engine)
    machine.gpu = replace(BOARD, name="Another board")
    check_refused(engine, "the GPU is Another board, the passport says A board")


def test_the_checks_come_in_order(engine, machine, monkeypatch):
    """The first thing wrong is what is said; each is mended in turn."""
    machine.versions["tensorrt-rtx"], machine.gpu = "1.8.0", Gpu("Another", "7.5", "13.0")
    whole = passport_path(engine).read_bytes()
    engine.write_bytes(ENGINE[::-1])
    passport_path(engine).write_bytes(whole[:-5])
    check_refused(engine, "passport")
    passport_path(engine).write_bytes(whole)
    check_refused(engine, "digest")
    engine.write_bytes(ENGINE)
    check_refused(engine, "version")
    machine.versions["tensorrt-rtx"] = "1.7.1.116"
    check_refused(engine, "compute capability")


def test_a_machine_that_cannot_run_it(engine, monkeypatch):
    def missing(*_):
        raise UserError("nothing here")

    monkeypatch.setattr(passport, "find_gpu", missing)
    check_refused(engine, "an engine runs on a GPU only: nothing here")
    monkeypatch.setattr(passport, "load", missing)
    check_refused(engine, "needs tensorrt-rtx 1.7.1.116: nothing here")


def test_the_key_changes_with_every_field():
    changed = [
        replace(RECIPE, model_digest="0" * 64),
        FOR_TENSORRT,
        replace(RECIPE, version="1.8.0"),
        replace(RECIPE, package_version="0.2.0"),
        replace(RECIPE, compute_capabilities=("8.6",)),
        replace(RECIPE, gpu=BOARD),
        replace(RECIPE, gpu=replace(BOARD, driver="12.8")),
        replace(RECIPE, profile=Profile((1, 16, 16), (1, 480, 640), (2, 1080, 1920))),
        replace(RECIPE, workspace=64),
    ]
    assert len({RECIPE.key, *(recipe.key for recipe in changed)}) == 1 + len(changed)
    assert replace(RECIPE, metadata=dict(reversed(RECIPE.metadata.items()))).key == RECIPE.key


@pytest.fixture
def artifact(tmp_path) -> Artifact:
    return Artifact(tmp_path / "ship.onnx", b"", RECIPE.model_digest, {})


@pytest.fixture
def builds(tmp_path, monkeypatch) -> list[Recipe]:
    """What was built; each engine comes with a new number."""
    done: list[Recipe] = []

    def build(artifact, recipe, device):
        done.append(recipe)
        return Built(ENGINE + bytes([len(done)]), None)

    monkeypatch.setattr(cache, "build_engine", build)
    monkeypatch.setenv("SHIP_DEPLOY_CACHE", str(tmp_path / "cache"))
    return done


def test_the_cache_builds_once(artifact, builds, tmp_path):
    path = cache.build_cached(artifact, RECIPE)
    assert path.parent == tmp_path / "cache"
    assert cache.build_cached(artifact, RECIPE) == path
    assert read_engine(path)[0] == ENGINE + b"\x01"
    assert builds == [RECIPE]
    other = cache.build_cached(artifact, replace(RECIPE, workspace=64))
    assert other != path and len(builds) == 2


@pytest.mark.parametrize("damage", ["engine", "passport", "swapped"])
def test_the_cache_replaces_what_is_damaged(artifact, builds, damage):
    path = cache.build_cached(artifact, RECIPE)
    if damage == "swapped":
        write_engine(path, ENGINE, FOR_TENSORRT)
    else:
        bad = path if damage == "engine" else passport_path(path)
        bad.write_bytes(bad.read_bytes()[:-1])
    assert cache.build_cached(artifact, RECIPE) == path
    assert read_engine(path)[0] == ENGINE + b"\x02"


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SHIP_DEPLOY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache.cache_folder() == tmp_path / ".cache" / "ship-deploy"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache.cache_folder() == tmp_path / "x" / "ship-deploy"
    monkeypatch.setenv("SHIP_DEPLOY_CACHE", str(tmp_path / "s"))
    assert cache.cache_folder() == tmp_path / "s"


def test_a_cache_that_cannot_be_written_to(artifact, builds, monkeypatch):
    monkeypatch.setenv("SHIP_DEPLOY_CACHE", "/dev/null/cache")
    with pytest.raises(UserError, match="/dev/null/cache: cannot write there"):
        cache.build_cached(artifact, RECIPE)
    assert not builds


def test_a_failed_build_leaves_no_engine_and_no_lock(artifact, builds, monkeypatch, tmp_path):
    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(cache, "build_engine", fail)
        with pytest.raises(KeyboardInterrupt):
            cache.build_cached(artifact, RECIPE)
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".lock"]
    cache.build_cached(artifact, RECIPE)
    assert builds == [RECIPE]


RACER = """
import sys
from pathlib import Path
from ship_deploy.artifact import read_artifact
from ship_deploy.engines import cache, recipe
from ship_deploy.engines.flavour import load
from ship_deploy.engines.profile import choose_profile
from ship_deploy.errors import UserError

def no_gpu(device):
    raise UserError("none")

def build(*arguments):
    with log.open("a") as file:
        file.write("built\\n")
    return real(*arguments)

recipe.find_gpu, real, cache.build_engine = no_gpu, cache.build_engine, build
log, artifact = Path(sys.argv[2]), read_artifact(sys.argv[1])
profile = choose_profile("any", "32x48", "32x48", "32x48")
wanted = recipe.make_recipe(artifact, load("tensorrt-rtx"), profile)
print("ready", flush=True)
sys.stdin.readline()
print(cache.build_cached(artifact, wanted))
"""


def test_processes_that_race_build_one_real_engine(model, tmp_path, monkeypatch):
    pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx, of the group test")
    monkeypatch.setenv("SHIP_DEPLOY_CACHE", str(tmp_path / "cache"))
    log = tmp_path / "log"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, model, log],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    paths = {Path(racer.communicate(timeout=120)[0].strip()) for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0]
    assert len(paths) == 1 and log.read_text() == "built\n"
    assert read_whole(paths.pop())[1].recipe.model == "small.onnx"


def test_threads_that_race_build_once(artifact, builds):
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        cache.build_cached(artifact, RECIPE)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builds == [RECIPE]


def test_an_engine_is_let_through_if_it_is_signed(engine, tmp_path):
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = tmp_path / "public.pem"
    content = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(content)
    for read in (read_whole, lambda path, signed_by: read_engine(path, 0, signed_by)):
        signature_path(engine).unlink(missing_ok=True)
        with pytest.raises(UserError, match="cannot read the signature"):
            read(engine, signed_by=public)
        signature_path(engine).write_bytes(key.sign(ENGINE))
        assert read(engine, signed_by=public)[0] == ENGINE
        signature_path(engine).write_bytes(key.sign(ENGINE[1:]))
        with pytest.raises(UserError, match="the signature is not by"):
            read(engine, signed_by=public)
