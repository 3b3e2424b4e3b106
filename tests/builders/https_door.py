"""The proxy of docker-compose.yml as a process on loopback: Caddy with the same Caddyfile."""

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serve.stack import free_port

CADDYFILE = Path(__file__).parents[2] / "configs/compose/Caddyfile"
START_SECONDS = 30


@dataclass(frozen=True)
class HttpsDoor:
    https_port: int
    http_port: int
    health_port: int
    folder: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """Trusts the proxy's own CA and no other."""
        return ssl.create_default_context(cafile=str(self._root))

    @property
    def is_open(self) -> bool:
        """Its certificate is signed after the ports are open."""
        return self._root.exists() and any(self.folder.glob("caddy/certificates/**/*.crt"))

    @property
    def _root(self) -> Path:
        return self.folder / "caddy/pki/authorities/local/root.crt"


def caddy(*arguments: str, **variables: str) -> list[str]:
    program = Path(sys.executable).parent / "caddy"
    assignments = [f"{name}={value}" for name, value in variables.items()]
    return ["env", *assignments, str(program), *arguments, "--config", str(CADDYFILE)]


@contextmanager
def running_https_door(folder: Path, *, upstream_port: int) -> Iterator[HttpsDoor]:
    door = HttpsDoor(free_port(), free_port(), free_port(), folder)
    variables = {
        "CURAGENIE_HTTPS_PORT": str(door.https_port),
        "CURAGENIE_HTTP_PORT": str(door.http_port),
        "CURAGENIE_HEALTH_PORT": str(door.health_port),
        "CURAGENIE_NODES": "localhost",
        "CURAGENIE_NODE_PORT": str(upstream_port),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            caddy("run", "--adapter", "caddyfile", **variables),
            stdout=output,
            stderr=output,
            env=os.environ | {"HOME": str(folder)},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not door.is_open:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"caddy did not open the door: {log.read_text()}")
            time.sleep(0.05)
        yield door
    finally:
        process.terminate()
        process.wait(timeout=40)
