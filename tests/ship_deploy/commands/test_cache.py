"""`ship-deploy cache`: what is in it, and away with it."""

import os

from tests.ship_deploy.commands.process import ship_deploy

NAME = "ship-s-0123456789abcdef.engine"


def test_engines_are_listed_and_cleared(tmp_path):
    folder = tmp_path / "engines"
    folder.mkdir(mode=0o700)
    env = {**os.environ, "SHIP_DEPLOY_CACHE": str(folder), "COLUMNS": "120"}
    assert "0 engines" in ship_deploy("cache", "list", env=env).stdout
    for name, content in ((NAME, bytes(3 << 20)), (f"{NAME}.json", b"{}"), ("notes", b"")):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)

    listed = ship_deploy("cache", "list", env=env)
    assert listed.returncode == 0, listed.stderr
    assert NAME in listed.stdout and "1 engines of 3.0 MiB" in listed.stdout

    cleared = ship_deploy("cache", "clear", env=env)
    assert cleared.returncode == 0, cleared.stderr
    assert cleared.stdout == f"Removed 1 engines of 3.0 MiB from {folder}.\n"
    assert [path.name for path in folder.iterdir()] == ["notes"]


def test_a_cache_that_others_may_write_to_is_one_line(tmp_path):
    tmp_path.chmod(0o777)
    result = ship_deploy("cache", "clear", env={**os.environ, "SHIP_DEPLOY_CACHE": str(tmp_path)})
    assert result.returncode == 1
    assert "others may write to it" in result.stderr and "Traceback" not in result.stderr
