"""Fusing on a real Triton server, on loopback. `make test-triton` runs it."""

import gc
import os
import pickle
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest

if find_spec("pytriton") is None:
    pytest.skip("needs a Triton server: make test-triton", allow_module_level=True)

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tritonclient import grpc as client
from tritonclient.utils import InferenceServerException

from benchmarks.triton.server import TritonServer
from export.triton import write_repository
from ship_deploy import Fuser, UserError
from ship_deploy.images import read_visible, write_png
from ship_deploy.streams import ImageFolder, Pipeline

ROOT = Path(__file__).parents[2]
MODEL = "ship-t-python"
LOCAL = Fuser("ship-t", threads=1)
WAYS = ["grpc", "http", "grpc?memory=shared", "http?memory=shared"]
LONG = 60.0  # seconds that an answer is waited for on a busy machine
# A model that takes something else.
OTHER = """
name: "other"
backend: "python"
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } ]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    write_repository(folder / "models", ["ship-t"], python=True)
    other = folder / "models" / "other"
    (other / "1").mkdir(parents=True)
    (other / "config.pbtxt").write_text(OTHER)
    (other / "1" / "model.py").write_text("class TritonPythonModel:\n    pass\n")
    with TritonServer(folder / "models", folder) as running:
        yield running


def address(server: TritonServer, way: str, **settings: object) -> str:
    scheme, _, query = way.partition("?")
    place = server.grpc if scheme.startswith("grpc") else server.http
    asked = {"deadline": LONG, **settings}
    words = [query, *(f"{name}={value}" for name, value in asked.items())]
    return f"{scheme}://{place}/{MODEL}?{'&'.join(filter(None, words))}"


def pair(seed: int = 0, height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(seed)
    visible = noise.integers(0, 256, (height, width, 3), np.uint8)
    return visible, noise.integers(0, 256, (height, width), np.uint8)


def said(call, *arguments, **settings) -> str:
    with pytest.raises(UserError) as error:
        call(*arguments, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("way", WAYS)
def test_frames_have_the_bits_of_a_local_fuser(server, way):
    fuser = Fuser(address(server, way), backend="triton")

    for size in ((48, 64), (97, 130), (32, 40)):  # a larger one after a smaller, and back
        np.testing.assert_array_equal(fuser(*pair(1, *size)), LOCAL(*pair(1, *size)))
    batch = tuple(map(np.stack, zip(*map(pair, range(3)), strict=True)))
    np.testing.assert_array_equal(fuser(*batch), LOCAL(*batch))
    visible, infrared = pair(2)
    grey = fuser(visible[..., 0], infrared.astype(np.uint16) * 50)
    np.testing.assert_array_equal(grey, LOCAL(visible[..., 0], infrared.astype(np.uint16) * 50))
    grey[:] = 0  # the caller's own
    for fused, number in zip(fuser.map(map(pair, range(4))), range(4), strict=True):
        np.testing.assert_array_equal(fused, LOCAL(*pair(number)))


def test_what_runs_is_told(server):
    info = Fuser(address(server, "grpc")).info

    assert info.model == f"grpc://{server.grpc}/{MODEL}"  # without settings
    assert (info.backend, info.device) == ("triton", f"python on {server.grpc}")
    assert (info.digest, info.precision) == (LOCAL.info.digest, "fp32")
    assert info.versions["triton"] == "2.51.0"


@pytest.mark.parametrize("way", WAYS)
def test_one_fuser_serves_many_threads(server, way):
    fuser = Fuser(address(server, way))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda number: fuser(*pair(number)), range(24)))

    for number, fused in enumerate(found):
        np.testing.assert_array_equal(fused, LOCAL(*pair(number)))


@pytest.mark.parametrize("way", WAYS)
def test_threads_that_come_and_go_leave_no_files_open(server, way):
    fuser = Fuser(address(server, way))
    fuser(*pair())
    before = len([*Path("/proc/self/fd").iterdir()])

    for number in range(30):
        thread = threading.Thread(target=fuser, args=pair(number))
        thread.start()
        thread.join()

    assert (
        len([*Path("/proc/self/fd").iterdir()]) - before < 30
    )  # gevent keeps four for each of them


def test_a_process_that_ends_gives_its_shared_memory_back(server):
    stranger = client.InferenceServerClient(server.grpc)
    gc.collect()
    before = stranger.get_system_shared_memory_status(as_json=True)
    for way in ("grpc?memory=shared", "http?memory=shared"):
        code = (
            "import numpy as np; from ship_deploy import Fuser\n"
            f"f = Fuser({address(server, way)!r})\n"
            "print(f(np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint8)).shape)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "(48, 64, 3)\n", "")
    assert stranger.get_system_shared_memory_status(as_json=True) == before


def test_a_fuser_can_be_pickled_and_refuses_to_be_forked(server):
    fuser = Fuser(address(server, "http"))

    again = pickle.loads(pickle.dumps(fuser))
    np.testing.assert_array_equal(again(*pair()), LOCAL(*pair()))
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            fuser(*pair())
        except UserError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.wait()
    assert b"before os.fork" in os.read(reader, 1000)


def test_what_the_server_has_not_or_will_not_take(server):
    grpc, http = (f"{way.partition('?')[0]}://{getattr(server, way)}" for way in ("grpc", "http"))

    for place in (grpc, http):
        assert f"{place}/shipt: no such model on the server; it has other, {MODEL}" in said(
            Fuser, f"{place}/shipt"
        )
        assert "takes x FP32 [1], not frames" in said(Fuser, f"{place}/other")
        assert "version 7 is not found" in said(Fuser, f"{place}/{MODEL}/7")
    assert Fuser(f"{grpc}/{MODEL}/1")(*pair()).shape == (48, 64, 3)
    fuser = Fuser(f"{grpc}/{MODEL}")
    assert "must be aligned" in said(fuser, pair()[0], pair(0, 32, 32)[1])  # here, not there


@pytest.mark.parametrize("shapes", [((1, 48, 64, 3), (1, 48, 60)), ((1, 8, 8, 3), (1, 8, 8))])
def test_the_server_refuses_frames_of_other_clients_with_the_reason(server, shapes):
    stranger = client.InferenceServerClient(server.grpc)
    inputs = []
    for name, shape in zip(("visible", "infrared"), shapes, strict=True):
        inputs.append(client.InferInput(name, shape, "UINT8"))
        inputs[-1].set_data_from_numpy(np.zeros(shape, np.uint8))

    with pytest.raises(InferenceServerException, match=r"must be aligned|the smallest is 16x16"):
        stranger.infer(MODEL, inputs)
    assert Fuser(address(server, "grpc"))(*pair()).shape == (48, 64, 3)  # it goes on


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_hangs_costs_a_frame_its_deadline(server, way):
    fuser = Fuser(address(server, way))
    hasty = Fuser(address(server, way, deadline=0.4))  # its first frame is not in a hurry
    server.pause(True)
    try:
        assert said(hasty, *pair()).endswith("no answer within 0.4 s")
        assert said(hasty, *pair()).endswith("no answer within 0.4 s")
    finally:
        server.pause(False)

    np.testing.assert_array_equal(fuser(*pair(3)), LOCAL(*pair(3)))


def test_a_server_that_was_killed_is_missed_and_found_again(server):
    fusers = {way: Fuser(address(server, way)) for way in WAYS}
    for fuser in fusers.values():
        np.testing.assert_array_equal(fuser(*pair(4)), LOCAL(*pair(4)))
    server.stop(signal.SIGKILL)
    try:
        for way, fuser in fusers.items():
            assert "the server is unavailable" in said(fuser, *pair(4))
            assert "the server is unavailable" in said(Fuser, address(server, way))
    finally:
        server.start()
    for fuser in fusers.values():
        np.testing.assert_array_equal(fuser(*pair(5)), LOCAL(*pair(5)))
    server.stop()
    server.start()  # between two frames: nobody here has noticed
    for fuser in fusers.values():
        np.testing.assert_array_equal(fuser(*pair(6)), LOCAL(*pair(6)))


@pytest.mark.parametrize("way", ["grpc?memory=shared", "http"])
def test_a_server_that_is_killed_while_it_has_a_frame(server, way):
    fuser = Fuser(address(server, way, retries=0))
    fuser(*pair(8))
    server.pause(True)  # it takes what is sent, and answers nothing
    killing = threading.Timer(0.3, server.stop, [signal.SIGKILL])
    killing.start()

    assert "the server is unavailable" in said(fuser, *pair(8))

    killing.join()
    server.start()
    np.testing.assert_array_equal(fuser(*pair(8)), LOCAL(*pair(8)))


def test_a_frame_waits_for_a_server_that_is_started_anew(server):
    fuser = Fuser(address(server, "grpc", retries=1000))
    server.stop(signal.SIGKILL)
    starting = threading.Timer(0.3, server.start)
    starting.start()

    fused = fuser(*pair(7))

    starting.join()
    np.testing.assert_array_equal(fused, LOCAL(*pair(7)))


def test_a_stream_accounts_for_every_frame_while_the_server_is_away(server, tmp_path, caplog):
    count = 12
    for number in range(count):
        for side, image in zip(("visible", "infrared"), pair(number), strict=True):
            (tmp_path / side).mkdir(exist_ok=True)
            write_png(tmp_path / side / f"{number:03}.png", image)
    sources = [ImageFolder(tmp_path / s, infrared=s == "infrared") for s in ("visible", "infrared")]
    fuser = Fuser(address(server, "grpc", retries=1))
    results = []
    with Pipeline(*sources, fuser) as pipeline:
        for result in pipeline:
            results.append(result)
            if len(results) == 4:
                server.stop(signal.SIGKILL)
            if len(results) == 8:
                server.start()

    assert [result.fused for result in results] == [True] * 4 + [False] * 4 + [True] * 4
    for number, result in enumerate(results):
        expected = LOCAL(*pair(number)) if result.fused else pair(number)[0]
        np.testing.assert_array_equal(result.image, expected)
        assert result.fused or "the server is unavailable" in result.reason
    now = pipeline.statistics()
    for source in (now.visible, now.infrared):
        assert (source.received, source.fused, source.dropped) == (count, 8, {"refused": 4})
    messages = [record.getMessage() for record in caplog.records]
    assert [text.partition(":")[0] for text in messages] == ["not fused", "fused again"]


def test_shared_memory_is_given_back(server):
    stranger = client.InferenceServerClient(server.grpc)
    fuser = Fuser(address(server, "http?memory=shared"))
    fuser(*pair())
    known = stranger.get_system_shared_memory_status(as_json=True)["regions"]
    mine = [name for name in known if Path("/dev/shm", name).exists()]

    del fuser
    gc.collect()

    assert mine
    left = stranger.get_system_shared_memory_status(as_json=True).get("regions", {})
    assert not left.keys() & set(mine)
    assert not any(Path("/dev/shm", name).exists() for name in mine)


def test_the_commands_fuse_on_a_server(server, tmp_path):
    for number in range(3):
        for side, image in zip(("visible", "infrared"), pair(number), strict=True):
            (tmp_path / side).mkdir(exist_ok=True)
            write_png(tmp_path / side / f"{number:03}.png", image)
    for command in ("fuse", "stream"):
        output = tmp_path / command
        words = [command, "visible", "infrared", "-o", output, "--backend", "triton"]
        words += ["--model", address(server, "grpc")]
        done = subprocess.run(
            [sys.executable, "-m", "ship_deploy", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        written = sorted(output.glob("*.png"))
        assert len(written) == 3
        for number, path in enumerate(written):
            np.testing.assert_array_equal(read_visible(path), LOCAL(*pair(number)))


def certificate(folder: Path, name: str, signed_by=None) -> tuple[x509.Certificate, object]:
    """A certificate for 127.0.0.1, in NAME.pem and NAME.key; of its own authority if by nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (signed_by[0].subject, signed_by[1]) if signed_by else (subject, key)
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(signed_by is None, None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = certificate(folder, "authority")
    certificate(folder, "stranger")
    for name in ("server", "client"):
        certificate(folder, name, authority)
    return folder


def test_grpc_over_tls_where_both_sides_show_certificates(certificates, tmp_path):
    write_repository(tmp_path / "models", ["ship-t"], python=True)
    options = {
        "use-ssl": 1,
        "use-ssl-mutual": 1,
        "server-cert": certificates / "server.pem",
        "server-key": certificates / "server.key",
        "root-cert": certificates / "authority.pem",
    }
    words = [f"--grpc-{name}={value}" for name, value in options.items()]
    with TritonServer(tmp_path / "models", tmp_path, *words) as server:
        mine = {"cert": certificates / "client.pem", "key": certificates / "client.key"}
        ca = certificates / "authority.pem"

        fuser = Fuser(address(server, "grpcs", ca=ca, **mine))
        np.testing.assert_array_equal(fuser(*pair()), LOCAL(*pair()))
        for wrong in (
            address(server, "grpcs", ca=certificates / "stranger.pem", **mine),
            address(server, "grpcs", ca=ca),
            address(server, "grpc"),
        ):
            assert "the server is unavailable" in said(Fuser, wrong)
        nowhere = address(server, "grpcs", ca=certificates / "nowhere.pem")
        assert "there is no such file" in said(Fuser, nowhere)


def test_http_over_tls_behind_a_proxy(server, certificates):
    """Triton itself speaks HTTP without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    host, port = server.http.split(":")

    def copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(1 << 16):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                plain, _ = proxy.accept()
            except OSError:
                return
            try:
                outer = context.wrap_socket(plain, server_side=True)
            except OSError:  # who does not trust it
                continue
            inner = socket.create_connection((host, int(port)))
            for way in ((outer, inner), (inner, outer)):
                threading.Thread(target=copy, args=way, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as proxy:
        threading.Thread(target=accept, daemon=True).start()
        place = f"https://127.0.0.1:{proxy.getsockname()[1]}/{MODEL}?deadline={LONG}"

        fuser = Fuser(f"{place}&ca={certificates / 'authority.pem'}")
        np.testing.assert_array_equal(fuser(*pair()), LOCAL(*pair()))
        stranger = f"{place}&retries=0&ca={certificates / 'stranger.pem'}"
        assert "certificate verify failed" in said(Fuser, stranger)
        proxy.shutdown(socket.SHUT_RDWR)


def test_a_new_version_is_served_beside_what_was_there(server, tmp_path):
    """The newest one is, after a restart; a repository may be written to at any time."""
    models = tmp_path / "models"
    shutil.copy(ROOT / "ship_deploy" / "models" / "ship-t.onnx", tmp_path / "mine.onnx")
    write_repository(models, [tmp_path / "mine.onnx"], python=True, batch=1, instances=2)
    shutil.copy(ROOT / "ship_deploy" / "models" / "ship-s.onnx", tmp_path / "mine.onnx")
    write_repository(models, [tmp_path / "mine.onnx"], python=True, batch=1, instances=2)
    with TritonServer(models, tmp_path) as newer:
        fuser = Fuser(f"http://{newer.http}/mine-python?deadline={LONG}")

        expected = Fuser("ship-s", threads=1)
        assert fuser.info.digest == expected.info.digest
        np.testing.assert_array_equal(fuser(*pair()), expected(*pair()))
