"""A real S3 server in a process of its own: `rclone serve s3` over a directory, on loopback."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 30


@dataclass
class S3Server:
    """`directory`/BUCKET/KEY is the object s3://BUCKET/KEY."""

    endpoint_url: str
    directory: Path
    access_key_id: str = "test-key"
    secret_access_key: str = field(default="test-secret", repr=False)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "rclone"),
                *("serve", "s3", str(self.directory)),
                *("--addr", self.endpoint_url.removeprefix("http://")),
                *("--auth-key", f"{self.access_key_id},{self.secret_access_key}"),
                *("--config", "", "--vfs-cache-mode", "off"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_until_it_listens(self, self._process)

    def kill(self) -> None:
        """It keeps nothing that a quiet end would save."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=10)


@contextmanager
def running_s3_server(directory: Path, **keys: str) -> Iterator[S3Server]:
    """Serves `directory`, whose subdirectories are the buckets, until the context ends.

    The server remembers listings for minutes: after its start, write through S3 and not into the
    folder. (Without that memory, --dir-cache-time 0s, rclone 1.75 spins until it hangs.)
    """
    server = S3Server(f"http://127.0.0.1:{_free_port()}", directory, **keys)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_until_it_listens(server: S3Server, process: "subprocess.Popen[bytes]") -> None:
    host, _, port = server.endpoint_url.removeprefix("http://").partition(":")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"rclone ended with {process.returncode}")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"rclone did not listen within {START_SECONDS} s")
