"""What the embedded stack refuses before it starts anything."""

import os
import socket
import stat
from pathlib import Path

import pytest

from core.errors import ConflictError, SettingsError
from core.settings import load_settings
from serve.stack import check_host, check_port, free_port, ray_token


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_loopback_may_be_listened_on(tmp_path: Path, host: str) -> None:
    check_host(load_settings(data_dir=tmp_path, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_any_other_host_is_refused_while_there_is_no_login(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="no login") as refused:
        check_host(load_settings(data_dir=tmp_path, host=host))
    assert refused.value.where is not None
    assert refused.value.where.field == "CURAGENIE_HOST"


def test_a_container_may_say_that_its_port_is_published_on_loopback(tmp_path: Path) -> None:
    check_host(load_settings(data_dir=tmp_path, host="0.0.0.0", allow_remote_without_login=True))


def test_a_port_in_use_is_refused_with_one_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port}") as refused:
            check_port("127.0.0.1", port)
    assert refused.value.fix is not None
    suggested = int(refused.value.fix.rpartition("--port ")[2].rstrip("."))
    check_port("127.0.0.1", suggested)


def test_a_free_port_is_free() -> None:
    check_port("127.0.0.1", free_port())


def test_the_ray_token_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = ray_token(tmp_path / "ray_token")
    token = path.read_text()
    assert len(token) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == os.getuid()
    assert ray_token(path).read_text() == token
