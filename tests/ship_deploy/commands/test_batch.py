import sys

import pytest
from typer.testing import CliRunner

from ship_deploy import UserError
from ship_deploy.commands.app import app
from ship_deploy.commands.batch import fuse_archive


def test_without_ray_one_line_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"batch needs ray.*; pip install '\.\[ray\]'"):
        fuse_archive(str(tmp_path), None, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port"])
def test_an_address_that_is_none_of_a_head_is_refused(tmp_path, address):
    with pytest.raises(UserError, match="expected HOST:PORT"):
        fuse_archive(str(tmp_path), None, str(tmp_path / "out"), address=address)


def test_nobody_at_the_address_is_said_at_once(tmp_path):
    with pytest.raises(UserError, match="no cluster answers"):
        fuse_archive(str(tmp_path), None, str(tmp_path / "out"), address="127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--visible", "/a"], "both --visible and"),
        (["i", "--visible", "/a", "--infrared", "/b"], "no other images"),
    ],
)
def test_wrong_usage(arguments, message):
    result = CliRunner().invoke(app, ["batch", "v", "-o", "out", *arguments])
    assert result.exit_code == 2
    assert message in result.output


def test_a_single_gpu_cannot_be_chosen(tmp_path):
    with pytest.raises(UserError, match="Ray assigns the GPUs"):
        fuse_archive(str(tmp_path), None, str(tmp_path / "out"), device="cuda:1")
