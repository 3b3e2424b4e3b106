"""Ray's nodes as docker-compose.yml starts them, as processes of this machine.

Only addresses, ports and folders are others than in containers, where every node has its own: here
each node has an address of its own on loopback.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from serve.stack import free_port
from tests.builders.compose_file import CHECKOUT, compose_services
from tests.builders.live_service import clean_environment
from tests.builders.processes import descendants, title

SERVICES = compose_services()
_SERVE_LOGS = "r/session_latest/logs/serve/controller_[0-9]*.log"
START_SECONDS = 90
STOP_SECONDS = 60


@dataclass(frozen=True)
class Here:
    """What stands in this folder and on these ports for what containers have."""

    folder: Path
    gcs: int
    dashboard: int
    serve: int
    replaced: dict[str, str]
    """Words of the compose file, and what is written here instead."""
    settings: dict[str, str]
    """Variables beside those of the compose file."""

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard}"

    def written(self, text: str) -> str:
        for there, here in self.replaced.items():
            text = text.replace(there, here)
        return text

    def environment(self, service: str, **more: str) -> dict[str, str]:
        """That of the compose file, and what Ray must know of a machine with several nodes."""
        given = SERVICES[service].environment
        return clean_environment(
            **{name: self.written(str(value)) for name, value in given.items()}
            | {
                "CURAGENIE_DATA_DIR": f"{self.folder}/data",
                "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "2",
                "RAY_USAGE_STATS_ENABLED": "0",
                "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
                "PYTHONPATH": str(CHECKOUT),
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            }
            | self.settings
            | more,
        )

    def command(self, service: str, *more: str) -> list[str]:
        words = [self.written(word) for word in SERVICES[service].command]
        words = [word for word in words if word]
        if words[:2] == ["sh", "-c"]:
            return [*words[:2], f"{words[2].strip()} {shlex.join(more)}"]
        return [*words, *more]

    def run(self, service: str) -> None:
        """For a service that does one thing and ends."""
        ended = subprocess.run(
            self.command(service),
            env=self.environment(service),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{service} failed:\n{ended.stdout}\n{ended.stderr}")


@dataclass
class Node:
    """One of Ray's nodes: `service` of the compose file at `address`, with a Serve proxy."""

    name: str
    service: str
    address: str
    here: Here
    serve_port: int
    agent_port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.serve_port}"

    @property
    def log(self) -> Path:
        return self.here.folder / f"{self.name}.log"

    @property
    def processes(self) -> set[int]:
        assert self._process is not None
        return {self._process.pid} | descendants(self._process.pid)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pids_of(self, name: str) -> list[int]:
        """The node's processes that call themselves so, as `ray::ServeReplica:live`."""
        if not self.is_running:
            return []
        return sorted(pid for pid in self.processes if title(pid).startswith(name))

    def start(self, *more: str) -> None:
        """Returns once the container's own health check would pass."""
        options = (
            f"--node-ip-address={self.address}",
            f"--dashboard-agent-listen-port={self.agent_port}",
            f"--metrics-export-port={free_port()}",
        )
        environment = self.here.environment(
            self.service, RAY_SERVE_WORKER_PROXY_HTTP_PORT=str(self.serve_port)
        )
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.here.command(self.service, *options, *more),
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until(f"{self.name} is healthy", self.is_healthy, self.here.folder)

    def is_healthy(self) -> bool:
        """Asks as the container does. Raises RuntimeError where the node ended."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended:\n{self.log.read_text()[-3000:]}")
        ports = {":8265": f":{self.here.dashboard}", ":52365": f":{self.agent_port}"}
        asked = [str(word) for word in SERVICES[self.service].keys["healthcheck"]["test"][1:]]
        for there, here in ports.items():
            asked = [word.replace(there, here) for word in asked]
        if self.service == "worker":
            asked = [word.replace("127.0.0.1", self.address) for word in asked]
        ended = subprocess.run(
            asked,
            env=self.here.environment(self.service),
            capture_output=True,
            check=False,
            timeout=30,
        )
        return ended.returncode == 0

    def kill(self) -> None:
        """As a machine is lost: every process of the node at once."""
        for pid in self._frozen():
            _signal(pid, signal.SIGKILL)
        self._reap()

    def _frozen(self) -> set[int]:
        """Every process of the node, stopped: none of them can start another one."""
        frozen: set[int] = set()
        while new := self.processes - frozen:
            for pid in new:
                _signal(pid, signal.SIGSTOP)
            frozen |= new
        return frozen

    def stop(self) -> None:
        if self._process is None:
            return
        left = self.processes
        for pid in left:
            _signal(pid, signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        finally:
            for pid in left:
                _signal(pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait(timeout=STOP_SECONDS)
        self._process = None


def _signal(pid: int, what: signal.Signals) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return


def until(
    what: str, holds: Callable[[], bool], folder: Path, *, seconds: float = START_SECONDS
) -> None:
    """Raises TimeoutError, with the ends of the logs in `folder`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            logs = "\n".join(
                f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}"
                for log in sorted([*folder.glob("*.log"), *folder.glob(_SERVE_LOGS)])
            )
            raise TimeoutError(f"after {seconds} s it is not so that {what}.\n{logs}")
        time.sleep(0.3)
