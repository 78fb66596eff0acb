"""A model whose signature is asked for is used only if the key's owner signed those bytes."""

import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ship_deploy import Fuser, UserError
from ship_deploy.artifact import read_artifact
from ship_deploy.images import write_png
from ship_deploy.signatures import check_signature, signature_path
from tests.ship_deploy.commands.process import check_refused, ship_deploy


def write_public(path, key):
    content = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(content)
    return path


def sign(path, key):
    signature_path(path).write_bytes(key.sign(path.read_bytes()))


@pytest.fixture
def key():
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def public(tmp_path, key):
    return write_public(tmp_path / "public.pem", key)


@pytest.fixture
def signed(tmp_path, model, key):
    path = tmp_path / "model.onnx"
    shutil.copy(model, path)
    sign(path, key)
    return path


def test_a_signed_model_is_used(signed, public, model, frames):
    options = {"device": "cpu", "threads": 1}
    fuser = Fuser(signed, signed_by=public, **options)
    assert np.array_equal(fuser(*frames), Fuser(model, **options)(*frames))


def test_another_process_asks_for_the_signature_too(signed, public):
    content = pickle.dumps(Fuser(signed, device="cpu", threads=1, signed_by=public))
    signature_path(signed).unlink()
    with pytest.raises(UserError, match=r"model\.onnx\.sig: cannot read the signature"):
        pickle.loads(content)


def test_without_a_key_nothing_is_asked(model):
    assert read_artifact(model).digest


@pytest.mark.parametrize("place", [0, 1000, -1])
def test_one_bit_of_the_model_is_seen_before_it_is_looked_into(signed, public, place):
    content = bytearray(signed.read_bytes())
    content[place] ^= 1
    signed.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx: the signature is not by .*public\.pem"):
        read_artifact(signed, public)


@pytest.mark.parametrize("damage", [lambda s: s[:-1], lambda s: b"", lambda s: s[::-1]])
def test_a_damaged_signature(signed, public, damage):
    path = signature_path(signed)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="the signature is not by"):
        read_artifact(signed, public)


def test_the_signature_of_somebody_else_or_of_another_file(signed, public, key, tmp_path):
    sign(signed, ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(UserError, match="the signature is not by"):
        read_artifact(signed, public)
    signature_path(signed).write_bytes(key.sign(b"another"))
    with pytest.raises(UserError, match="the signature is not by"):
        read_artifact(signed, public)


def test_a_model_without_a_signature(model, public):
    with pytest.raises(UserError, match=r"small\.onnx\.sig: cannot read the signature \(No such"):
        read_artifact(model, public)


def test_what_is_no_key(signed, tmp_path):
    path = tmp_path / "key.pem"
    with pytest.raises(UserError, match=r"key\.pem: cannot read the public key"):
        read_artifact(signed, path)
    path.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(UserError, match=r"key\.pem: not a public key in PEM"):
        read_artifact(signed, path)
    write_public(path, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(UserError, match=r"key\.pem: not a key for Ed25519"):
        read_artifact(signed, path)


def test_the_package_for_signatures_is_named_where_it_is_missing(signed, public, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(UserError, match=r"need cryptography: pip install '\.\[signatures\]'"):
        read_artifact(signed, public)


def test_openssl_signs(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    (tmp_path / "a.engine").write_bytes(b"engine")
    for command in (
        "genpkey -algorithm ed25519 -out private.pem",
        "pkey -in private.pem -pubout -out public.pem",
        "pkeyutl -sign -rawin -inkey private.pem -in a.engine -out a.engine.sig",
    ):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    check_signature(tmp_path / "a.engine", b"engine", tmp_path / "public.pem")
    with pytest.raises(UserError, match="the signature is not by"):
        check_signature(tmp_path / "a.engine", b"engines", tmp_path / "public.pem")


def test_commands_ask_for_it(signed, public, model, tmp_path):
    assert ship_deploy("info", signed, "--require-signature", public).returncode == 0
    missing = "small.onnx.sig: cannot read the signature"
    key = ("--require-signature", public)
    check_refused(ship_deploy("info", model, *key), missing)
    check_refused(ship_deploy("build", model, "-o", tmp_path / "a.engine", *key), missing)
    for command in ("fuse", "stream"):
        sides = [tmp_path / name for name in ("v", "i")]
        for side in sides:
            side.mkdir(exist_ok=True)
            write_png(side / "0.png", np.zeros((32, 32), np.uint8))
        options = ("-o", tmp_path / "out", "--model", model, "--device", "cpu")
        check_refused(ship_deploy(command, *sides, *options, *key), missing)
