"""Addresses of models on servers."""

import pytest

from ship_deploy import Fuser, UserError
from ship_deploy.backends.address import Address, is_address, parse_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grpc://robot:8001/ship-t", Address("grpc", "robot:8001", "ship-t")),
        ("HTTP://[::1]:8000/ship-t/3/", Address("http", "[::1]:8000", "ship-t", "3")),
        (
            "grpcs://10.0.0.5:443/night?deadline=0.5&retries=0&ca=/a.pem&cert=c.pem&key=c.key",
            Address(
                *("grpcs", "10.0.0.5:443", "night", "", 0.5, 0),
                **{"ca": "/a.pem", "cert": "c.pem", "key": "c.key"},
            ),
        ),
        ("http://h:1/m?memory=shared", Address("http", "h:1", "m", shared=True)),
    ],
)
def test_parts(text, expected):
    assert is_address(text)
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grpc://robot/ship-t", "expected SCHEME://HOST:PORT/MODEL, such as grpc://"),
        ("grpc://robot:8001", "expected SCHEME://HOST:PORT/MODEL"),
        ("grpc://robot:8001/ship-t/new", "expected SCHEME://HOST:PORT/MODEL"),
        ("grpc://me:secret@robot:8001/ship-t", "expected SCHEME://HOST:PORT/MODEL"),
        ("grpc://robot:99999/ship-t", "not an address"),
        ("grpc://[::1/ship-t", "not an address"),
        ("grpc://robot:8001/m?timeout=3", "unknown setting 'timeout'; there are deadline"),
        ("grpc://robot:8001/m?deadline=soon", "deadline is 'soon', expected seconds"),
        ("grpc://robot:8001/m?deadline=nan", "deadline is 'nan', expected seconds"),
        ("grpc://robot:8001/m?deadline=0", "deadline is '0', expected seconds"),
        ("grpc://robot:8001/m?retries=-1", "retries is '-1', expected a whole number"),
        ("grpc://robot:8001/m?memory=cuda", "memory is 'cuda', expected shared"),
        ("grpc://robot:8001/m?ca=a.pem", "ca, cert and key are for https:// and grpcs://"),
        ("grpcs://robot:8001/m?cert=a.pem", "cert and key go together"),
    ],
)
def test_what_is_none_is_refused_in_a_line(text, message):
    with pytest.raises(UserError) as error:
        parse_address(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("model", ["model.onnx", "ship-t", "rtsp://cam", "folder/grpc:/x", None])
def test_other_models_are_no_addresses(model):
    assert not is_address(model)


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("ship-t", {"backend": "triton"}, "triton takes the address of a model, such as grpc://"),
        ("grpc://h:1/m", {"backend": "onnxruntime"}, "a model on a server; it runs by triton"),
        ("grpc://h:1/m", {"device": "cpu"}, "a Triton server chooses it"),
        ("grpc://h:1/m", {"threads": 2}, "the model runs on a server"),
        ("grpc://h:1/m", {"signed_by": "key.pem"}, "cannot be checked from here"),
    ],
)
def test_what_a_server_decides_cannot_be_asked_for(model, settings, message):
    with pytest.raises(UserError, match=message):
        Fuser(model, **settings)
