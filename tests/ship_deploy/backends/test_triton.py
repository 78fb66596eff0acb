"""When a frame is sent again, and when not. `tests/triton` has a real server."""

import sys

import numpy as np
import pytest

from ship_deploy import Fuser, UserError
from ship_deploy.backends import triton
from ship_deploy.backends.triton_connection import ForgottenError, LateError, UnavailableError

PAIR = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)
AWAY = UnavailableError("the server is unavailable (no)")


class Server:
    """What happens to the next frames, in order; and what was done."""

    def __init__(self) -> None:
        self.script: list[Exception | None] = []
        self.sent = self.connections = self.abandoned = 0

    def connection(self, api, address):
        self.connections += 1
        return self

    def describe(self, seconds):
        return {"backend": "python", "server": "2.51.0", "precision": "fp32", "digest": "d"}

    def fuse(self, inputs, seconds):
        self.sent += 1
        if self.script and (problem := self.script.pop(0)):
            raise problem
        return inputs[0].copy()

    def abandon(self):
        self.abandoned += 1


@pytest.fixture
def server(monkeypatch):
    made = Server()
    monkeypatch.setattr(triton, "Connection", made.connection)
    monkeypatch.setattr(triton, "load_api", lambda protocol: None)
    monkeypatch.setattr(triton, "version", lambda package: "2.73.0")
    monkeypatch.setattr(triton.time, "sleep", lambda seconds: None)
    return made


def test_a_frame_is_sent_again_while_the_server_is_unavailable(server):
    fuser = Fuser("grpc://robot:8001/ship-t?deadline=60")
    server.script = [AWAY, AWAY, AWAY]

    assert fuser(*PAIR).shape == PAIR[0].shape
    assert (server.sent, server.connections, server.abandoned) == (4, 4, 3)


def test_the_limit_and_that_a_server_that_is_away_is_tried_once_a_frame(server):
    fuser = Fuser("grpc://robot:8001/ship-t?deadline=60&retries=2")
    server.script = [AWAY] * 5

    for sent in (3, 4, 5):
        with pytest.raises(UserError, match=r"grpc://robot:8001/ship-t: the server is unavail"):
            fuser(*PAIR)
        assert server.sent == sent
    fuser(*PAIR)
    server.script = [AWAY, AWAY]  # it is back, so attempts are made again
    fuser(*PAIR)
    assert server.sent == 9


def test_what_is_late_is_not_sent_again(server):
    fuser = Fuser("http://robot:8000/ship-t?deadline=60")
    server.script = [LateError("no answer within 60 s")]

    with pytest.raises(UserError, match="no answer within 60 s"):
        fuser(*PAIR)
    assert server.sent == 1


def test_the_deadline_ends_further_attempts(server):
    fuser = Fuser("http://robot:8000/ship-t?deadline=0.01&retries=1000")
    server.script = [AWAY] * 1000

    with pytest.raises(UserError, match="the server is unavailable"):
        fuser(*PAIR)
    assert server.sent < 1000


def test_memory_that_a_new_server_does_not_know_costs_no_attempt(server):
    fuser = Fuser("grpc://robot:8001/ship-t?retries=0&memory=shared")
    server.script = [ForgottenError()]

    fuser(*PAIR)
    assert (server.sent, server.connections) == (2, 2)


def test_a_refusal_is_not_sent_again(server):
    fuser = Fuser("grpc://robot:8001/ship-t")
    server.script = [UserError("no")]

    with pytest.raises(UserError, match="no"):
        fuser(*PAIR)
    assert server.sent == 1


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_missing_client_is_said_with_how_to_get_it(monkeypatch, protocol):
    monkeypatch.setitem(sys.modules, "tritonclient", None)
    monkeypatch.setitem(sys.modules, f"tritonclient.{protocol}", None)

    with pytest.raises(UserError, match=r"tritonclient is not installed: pip install '\.\[triton"):
        Fuser(f"{protocol}://robot:8001/ship-t")


def test_certificates_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match=r"ca is /no/ca\.pem, and there is no such file"):
        Fuser("grpcs://robot:8001/ship-t?ca=/no/ca.pem")
