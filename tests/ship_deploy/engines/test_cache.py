from pathlib import Path

import pytest

from ship_deploy import UserError
from ship_deploy.engines.cache import cache_folder


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch, tmp_path):
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SHIP_DEPLOY_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UserError, match="set SHIP_DEPLOY_CACHE"):
        cache_folder()
    monkeypatch.setenv("SHIP_DEPLOY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
