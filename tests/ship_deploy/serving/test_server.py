"""The server as players, scrapers and browsers meet it; on the loopback interface."""

import http.client
import json
import socket
import threading
import time
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.results import Recording
from ship_deploy.serving import Server, address, connections, telemetry
from ship_deploy.serving import server as module
from ship_deploy.serving.address import parse_address

from .conftest import ENGINE, FUSED, SIDE, STATISTICS, result

PATIENCE = 20  # seconds; only a failure takes them


def port(server):
    return int(server.url.rstrip("/").rpartition(":")[2])


def get(server, path, host="localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def decode(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def watch(server, path="/fused.mjpg"):
    """An open MJPEG stream."""
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    connection.request("GET", path)
    return connection.getresponse()


def next_picture(answer):
    assert answer.readline() == b"--ship-deploy-frame\r\n"
    assert answer.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(answer.readline().removeprefix(b"Content-Length: "))
    assert answer.readline() == b"\r\n"
    content = answer.read(length)
    assert answer.readline() == b"\r\n"
    return decode(content)


def wait_for(condition):
    """For what a thread of the server does after the connection has ended."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_pages(server):
    server.write(result())
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/status.json", "application/json"),
        ("/metrics", telemetry.CONTENT_TYPE),
        ("/fused.jpg", "image/jpeg"),
        ("/healthz", "text/plain; charset=utf-8"),
    ):
        answer, content = get(server, path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        assert answer.headers["Cache-Control"] == "no-store"
        assert len(content) == int(answer.headers["Content-Length"]) > 0
    for path in ("/nothing", "/magic.jpg", "/../secret", "/fused.png"):
        assert get(server, path)[0].status == 404


def test_status(server):
    server.write(result(reason="infrared down"))
    status = json.loads(get(server, "/status.json")[1])
    assert status["healthy"] and status["about"] == "not fused: infrared down"
    assert status["fused"] is False and status["engine"] == ENGINE
    assert status["statistics"]["visible"]["dropped"] == {"overrun": 345}
    assert status["statistics"]["latency_p50"] == STATISTICS.latency_p50


def test_health(server):
    answer, content = get(server, "/healthz")
    assert (answer.status, content) == (503, b"no result yet\n")
    assert get(server, "/fused.jpg")[0].status == 503
    server.write(result())
    answer, content = get(server, "/healthz")
    assert (answer.status, content) == (200, b"ok\n")
    server.written -= 60
    answer, content = get(server, "/healthz")
    assert (answer.status, content) == (503, b"no result for 60 s\n")


def test_strict_health_wants_both_cameras_and_the_recording():
    live = replace(STATISTICS, infrared=SIDE)
    statistics, recording = [live], [Recording("", None, 0, 0)]
    server = Server("0", lambda: statistics[0], ENGINE, lambda: recording[0])
    server.write(result())
    assert get(server, "/healthz?strict")[1] == b"ok\n"
    statistics[0] = STATISTICS  # the infrared camera is down
    answer, content = get(server, "/healthz?strict")
    assert (answer.status, content) == (503, b"infrared: down\n")
    assert get(server, "/healthz")[0].status == 200
    statistics[0], recording[0] = live, Recording("No space left on device", None, 0, 0)
    for path, status in (("/healthz?strict", 503), ("/healthz", 200)):
        answer, content = get(server, path)
        assert (answer.status, content) == (status, b"not recording: No space left on device\n")
    server.close()


def test_a_snapshot_is_the_newest_fused_picture(server):
    assert get(server, "/snapshot.jpg")[0].status == 503
    server.write(result())
    assert get(server, "/snapshot.jpg")[1] == get(server, "/fused.jpg")[1]


def test_a_frame_brings_all_pictures_of_one_result(server):
    server.write(result())
    answer, content = get(server, "/frame?after=0")
    headers = json.loads(answer.headers["X-Frame"])
    assert headers["sequence"] == 1 and headers["fused"] is True
    first, second, third = headers["lengths"]
    assert first + second + third == len(content)
    assert np.abs(decode(content[-third:]).astype(int) - FUSED).max() < 8


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 5000, "%00"])
def test_a_frame_after_nonsense_is_the_newest(server, after):
    server.write(result())
    assert get(server, f"/frame?after={after}")[0].status == 200


def test_no_new_frame_in_time(server, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.01)
    server.write(result())
    answer, content = get(server, "/frame?after=1")
    assert (answer.status, content) == (204, b"")


def test_mjpeg_plays_what_comes(server):
    server.write(result(fused=(10, 0, 0)))
    answer = watch(server)
    assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace; boundary=")
    shades = [int(next_picture(answer)[0, 0, 0])]
    for shade in (100, 200):
        server.write(result(fused=(shade, 0, 0)))
        shades.append(int(next_picture(answer)[0, 0, 0]))
    assert all(after - before > 50 for before, after in pairwise(shades))


def test_opencv_plays_it(server):
    """By FFmpeg, as most players do; it wants more than one picture to know the format."""
    ended = threading.Event()

    def keep_on():
        while not ended.wait(0.01):
            server.write(result())

    writing = threading.Thread(target=keep_on)
    writing.start()
    try:
        read, picture = cv2.VideoCapture(server.url + "fused.mjpg", cv2.CAP_FFMPEG).read()
    finally:
        ended.set()
        writing.join()
    assert read and np.abs(picture.astype(int) - FUSED).max() < 8


def test_mjpeg_waits_while_a_camera_is_down(server):
    server.write(result(infrared=None))
    answer = watch(server, "/infrared.mjpg")
    server.write(result())
    assert next_picture(answer).shape == (48, 64, 3)


def test_a_viewer_who_does_not_read_holds_nobody_up(server):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (480, 640, 3), np.uint8)  # some 300 kB as JPEG
    server.write(result(image=noise))
    stuck = watch(server)  # and never reads
    written = threading.Event()

    def write():
        for _ in range(100):
            server.write(result(image=noise))
        server.write(result())
        written.set()

    threading.Thread(target=write, daemon=True).start()
    assert written.wait(PATIENCE / 4)  # 100 stuck pictures would take forever
    assert np.abs(decode(get(server, "/fused.jpg")[1]).astype(int) - FUSED).max() < 8
    stuck.close()


def test_viewers_are_bounded_and_come_free_and_health_needs_no_place(server, monkeypatch):
    monkeypatch.setattr(connections, "MOST_ANSWERS", 3)
    server.write(result())
    watching = [watch(server) for _ in range(3)]
    assert (get(server, "/fused.jpg")[0].status, server.viewers) == (503, 3)
    assert get(server, "/healthz")[1] == b"ok\n"
    watching.pop().close()
    wait_for(lambda: server.write(result()) or server.viewers < 3)  # seen when a picture is sent
    assert get(server, "/fused.jpg")[0].status == 200


def test_health_is_answered_while_hundreds_ask_slowly(server):
    server.write(result())
    slow = []
    for number in range(300):
        slow.append(socket.create_connection(("127.0.0.1", port(server))))
        slow[-1].sendall(b"GET /fused.jpg HTT")
        if number % 12 == 0:
            assert get(server, "/healthz")[1] == b"ok\n"
    wait_for(lambda: len(server.http._open) <= connections.MOST_WAITING)
    assert server.viewers == 0
    for connection in slow:
        connection.close()


def test_a_request_that_takes_too_long_is_ended_though_bytes_come(server, monkeypatch):
    monkeypatch.setattr(connections, "REQUEST", 0.3)
    drip = socket.create_connection(("127.0.0.1", port(server)))
    drip.sendall(b"GET / HTTP/1.1\r\nX: ")

    def ended():
        try:
            drip.sendall(b"x")
        except OSError:
            return True
        return not server.http._open

    wait_for(ended)
    drip.close()


def test_a_viewer_who_takes_no_picture_loses_the_place(server, monkeypatch):
    monkeypatch.setattr(module, "STALLED", 0.2)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    server.write(result(image=noise))
    stuck, reads = watch(server), watch(server)
    next_picture(reads)

    def one_is_left():
        server.write(result(image=noise))
        next_picture(reads)
        return server.viewers == 1

    wait_for(one_is_left)
    stuck.close()


@pytest.fixture
def closed():
    """A server that asks for a token."""
    server = Server("127.0.0.1:0", lambda: STATISTICS, ENGINE, token="a b;ü=")
    server.write(result(reason="infrared down"))
    yield server
    server.close()


def ask(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


@pytest.mark.parametrize("path", ["/", "/status.json", "/metrics", "/fused.jpg", "/fused.mjpg"])
def test_without_the_token_nothing_is_shown(closed, path):
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic a b;ü="},
        {"Cookie": "ship-deploy-token=wrong"},
        {"Cookie": "not; a=cookie; \\"},
    ):
        encoded = {name: value.encode() for name, value in headers.items()}
        answer, content = ask(closed, path, **encoded)
        assert (answer.status, answer.headers["Set-Cookie"]) == (401, None)
        assert b"down" not in content and b"camera" not in content
    assert ask(closed, f"{path}?token=wrong")[0].status == 401


def test_health_without_the_token_says_nothing_else(closed):
    answer, content = ask(closed, "/healthz")
    assert (answer.status, content) == (200, b"")


def test_with_the_token_a_browser_gets_a_cookie(closed):
    answer, _ = ask(closed, "/?token=a%20b%3B%C3%BC%3D")
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    answer, content = ask(closed, "/status.json", Cookie=cookie.partition(";")[0])
    assert answer.status == 200 and json.loads(content)["healthy"]
    assert answer.headers["Set-Cookie"] is None
    assert ask(closed, "/metrics", Authorization="Bearer a b;ü=".encode())[0].status == 200


def test_a_server_open_to_the_network_says_so_unless_it_has_a_token(caplog):
    Server("0.0.0.0:0", lambda: STATISTICS, ENGINE, token="x").close()
    Server("127.0.0.1:0", lambda: STATISTICS, ENGINE).close()
    assert not caplog.records
    Server("0.0.0.0:0", lambda: STATISTICS, ENGINE).close()
    assert "is open to everyone on the network" in caplog.text
    with pytest.raises(UserError, match="token is empty"):
        Server("127.0.0.1:0", lambda: STATISTICS, ENGINE, token="")


def test_a_viewer_who_left_is_noticed_though_nothing_comes(server, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.01)
    server.write(result())
    answer = watch(server)
    next_picture(answer)
    assert server.viewers == 1
    answer.close()
    wait_for(lambda: server.viewers == 0)


def test_close_ends_connections_and_frees_the_port(server):
    server.write(result())
    watching = [watch(server), watch(server)]
    for answer in watching:
        next_picture(answer)
    idle = socket.create_connection(("127.0.0.1", port(server)))  # asks for nothing
    wait_for(lambda: len(server.http._open) == 3)  # it was accepted
    server.close()
    assert [answer.read() for answer in watching] == [b"", b""]
    assert idle.recv(1) == b""
    assert server.viewers == 0
    assert not server.http._thread.is_alive()
    again = Server(f"127.0.0.1:{port(server)}", lambda: STATISTICS, ENGINE)
    again.close()


def test_a_port_in_use_is_one_line(server):
    with pytest.raises(UserError, match=r"cannot serve on 127\.0\.0\.1, port \d+ \(Addr"):
        Server(server.url[7:-1], lambda: STATISTICS, ENGINE)


def test_a_host_that_is_not_this_machine():
    with pytest.raises(UserError, match=r"cannot serve on 192\.0\.2\.1, port 8080 \("):
        Server("192.0.2.1:8080", lambda: STATISTICS, ENGINE)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *[("localhost:9", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("LOCALHOST", 200)],
        *[("evil.example", 403), ("127.0.0.1.evil.example:8080", 403), ("localhost.evil", 403)],
    ],
)
def test_another_name_for_the_loopback_address_is_refused(server, host, status):
    """A page elsewhere whose name points here would be of the same origin."""
    assert get(server, "/status.json", host)[0].status == status


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("robot.local:9000", ("robot.local", 9000)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":80", "host:x", "h:70000", "::1:80", "a b:80", "http://h", "1\n"],
)
def test_what_is_no_address(text):
    with pytest.raises(UserError, match="expected HOST:PORT"):
        parse_address(text)


def test_names_of_this_machine_open_the_page(monkeypatch, tmp_path):
    (tmp_path / "hosts").write_text(
        "127.0.0.1 localhost\n127.0.1.1 Rover.lan rover # us\n192.0.2.7 other\n::1 six\nbad\n"
    )
    monkeypatch.setattr(address, "HOSTS", tmp_path / "hosts")
    monkeypatch.setattr(address.socket, "gethostname", lambda: "Robot.example")
    server = Server("0", lambda: STATISTICS, ENGINE)
    names = ("robot.example", "robot.local:80", "ROVER.lan", "rover.", "six", "other", "example")
    found = [get(server, "/status.json", name)[0].status for name in names]
    server.close()
    assert found == [200] * 5 + [403] * 2
