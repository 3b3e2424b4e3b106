"""The commands of docker-compose.yml do what they say: head, worker and deploy as processes here.

Only addresses, ports and folders are others than in containers, where every node has its own.
"""

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import yaml

from serve.stack import free_port
from tests.builders.compose_file import CHECKOUT, compose_services
from tests.builders.live_service import clean_environment

SERVICES = compose_services()
HEAD, WORKER = "127.0.0.2", "127.0.0.3"
START_SECONDS = 60


@dataclass(frozen=True)
class Nodes:
    """The compose file's commands in this folder: what stands in it for what containers have."""

    folder: Path
    gcs: int
    dashboard: int
    serve: int
    worker_serve: int
    head_agent: int
    worker_agent: int

    def environment(self, **more: str) -> dict[str, str]:
        given = SERVICES["worker"].environment
        kept = {name: given[name] for name in ("RAY_AUTH_MODE",)}
        return clean_environment(
            **kept,
            RAY_AUTH_TOKEN_PATH=str(self.folder / "secrets/ray_token"),
            RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S="2",
            RAY_USAGE_STATS_ENABLED="0",
            RAY_SERVE_WORKER_PROXY_HTTP_PORT=str(self.worker_serve),
            CURAGENIE_SECRETS_DIR=str(self.folder / "secrets"),
            CURAGENIE_DATA_DIR=str(self.folder / "data"),
            PYTHONPATH=str(CHECKOUT),
            PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin",
            **more,
        )

    def words(self, service: str) -> list[str]:
        """The command with the ports of this machine; the shell still reads the secret."""
        others = {
            "/run/secrets": str(self.folder / "secrets"),
            "--port=6379": f"--port={self.gcs}",
            "head:6379": f"{HEAD}:{self.gcs}",
            "--dashboard-host=0.0.0.0": "--dashboard-host=127.0.0.1",
            "--dashboard-port=8265": f"--dashboard-port={self.dashboard}",
            "http://head:8265": f"http://127.0.0.1:{self.dashboard}",
            "--metrics-export-port=8080": f"--metrics-export-port={free_port()}",
            "=1500000000": "=150000000",
            "=500000000": "=150000000",
            "/etc/curagenie/serve.yaml": str(self.folder / "serve.yaml"),
        }
        words = SERVICES[service].command
        for there, here in others.items():
            words = [word.replace(there, here) for word in words]
        return words

    def node(self, service: str, address: str, agent: int, *more: str) -> list[str]:
        added = [f"--node-ip-address={address}", f"--dashboard-agent-listen-port={agent}", *more]
        words = self.words(service)
        if words[:2] == ["sh", "-c"]:
            return [*words[:2], f"{words[2].strip()} {shlex.join(added)}"]
        return [*words, *added]


@contextmanager
def _running(words: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _healthy(service: str, nodes: Nodes) -> bool:
    """Asks as the container's own health check does."""
    ports = {":8265": f":{nodes.dashboard}", ":52365": f":{nodes.worker_agent}"}
    test = SERVICES[service].keys["healthcheck"]["test"]
    for there, here in ports.items():
        test = [str(word).replace(there, here) for word in test]
    asked = test[1:] if service == "head" else [w.replace("127.0.0.1", WORKER) for w in test[1:]]
    return (
        subprocess.run(
            asked, env=nodes.environment(), capture_output=True, check=False, timeout=30
        ).returncode
        == 0
    )


def _until(what: str, holds: object, folder: Path) -> None:
    assert callable(holds)
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            logs = "\n".join(log.read_text()[-3000:] for log in folder.glob("*.log"))
            raise AssertionError(f"{what} did not come to be:\n{logs}")
        time.sleep(0.5)


def _serves(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    # Ray's sockets want a short path
    with tempfile.TemporaryDirectory(prefix="cg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "data/scoring_files").mkdir(parents=True)
        subprocess.run(
            [CHECKOUT / "configs/compose/make_secrets.sh", folder / "secrets"], check=True
        )
        nodes = Nodes(folder, *(free_port() for _ in range(6)))
        served = yaml.safe_load((CHECKOUT / "configs/compose/serve.yaml").read_text())
        served["http_options"] = {"host": "127.0.0.1", "port": nodes.serve}
        (folder / "serve.yaml").write_text(yaml.safe_dump(served))
        yield nodes


@pytest.mark.acceptance
@pytest.mark.timeout(600)
def test_a_head_and_a_worker_serve_what_is_deployed(nodes: Nodes) -> None:
    folder = nodes.folder
    head = nodes.node(
        "head",
        HEAD,
        nodes.head_agent,
        f"--temp-dir={folder}/r",
        f"--ray-client-server-port={free_port()}",
    )
    worker = nodes.node("worker", WORKER, nodes.worker_agent, "--num-cpus=4")
    with ExitStack() as stack:
        stack.enter_context(_running(head, nodes.environment(), folder / "head.log"))
        _until("the head's health", lambda: _healthy("head", nodes), folder)
        stack.enter_context(_running(worker, nodes.environment(), folder / "worker.log"))
        _until("the worker's health", lambda: _healthy("worker", nodes), folder)
        deployed = subprocess.run(
            nodes.words("deploy"), env=nodes.environment(), capture_output=True, check=False
        )
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        _until("the service", lambda: _serves(nodes.serve), folder)
        # Without the token nobody looks in
        refused = httpx2.get(f"http://127.0.0.1:{nodes.dashboard}/api/jobs/")
        assert refused.status_code == 401
