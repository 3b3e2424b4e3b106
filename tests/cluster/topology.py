"""docker-compose.yml run for real, as processes: PostgreSQL, Valkey, S3, a head and workers."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import yaml
from sqlalchemy import create_engine, make_url, text

from core.settings import Settings, load_settings
from serve.stack import free_port
from tests.builders.compose_file import CHECKOUT
from tests.builders.postgresql_server import PostgresqlServer, running_postgresql
from tests.builders.redis_server import RedisServer, running_redis
from tests.builders.s3_server import S3Server, running_s3_server
from tests.cluster.nodes import SERVICES, Here, Node, until

CPUS_OF_A_WORKER = 4
"""Logical ones, so that jobs overlap; the kernel shares out the real ones."""


@dataclass
class Cluster:
    """Everything that is up. `head` and `workers` may be killed and started again."""

    here: Here
    postgresql: PostgresqlServer
    redis: RedisServer
    s3: S3Server
    head: Node
    workers: list[Node] = field(default_factory=list)

    @property
    def nodes(self) -> list[Node]:
        return [self.head, *self.workers]

    @property
    def url(self) -> str:
        """Where the first worker takes requests; every node does."""
        return self.workers[0].url

    @property
    def settings(self) -> Settings:
        """As a node of the cluster has them."""
        given = self.here.environment("worker")
        return load_settings(
            _env_file=None,
            scoring_files_dir=self.scoring_files_dir,
            secrets_dir=Path(given["CURAGENIE_SECRETS_DIR"]),
            data_dir=Path(given["CURAGENIE_DATA_DIR"]),
            database_url=given["DATABASE_URL"],
            redis_url=given["REDIS_URL"],
            s3_bucket_name=given["S3_BUCKET_NAME"],
            aws_endpoint_url=given["AWS_ENDPOINT_URL"],
            aws_region=given["AWS_REGION"],
        )

    @property
    def scoring_files_dir(self) -> Path:
        return self.here.folder / "data/scoring_files"

    def node_with(self, title: str) -> Node | None:
        """The first node that has a process called so, as `ray::run_attempt`."""
        for node in self.nodes:
            if node.pids_of(title):
                return node
        return None

    def serves(self, url: str) -> bool:
        try:
            return httpx2.get(f"{url}/health", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def wait_until_it_serves(self) -> None:
        """On the head, and on each worker that has a replica: Serve has no proxy on the others."""
        self.until(
            "the service answers",
            lambda: all(
                self.serves(node.url)
                for node in self.nodes
                if node is self.head or node.pids_of("ray::ServeReplica")
            ),
        )

    def until(self, what: str, holds: Callable[[], bool], *, seconds: float = 120) -> None:
        until(what, holds, self.here.folder, seconds=seconds)

    def start_worker(self, worker: Node) -> None:
        worker.start(f"--num-cpus={CPUS_OF_A_WORKER}")

    def start_head(self) -> None:
        # A container does not see the other nodes' processes, which Ray would take for its own
        (self.here.folder / "r/ray_current_cluster").unlink(missing_ok=True)
        self.head.start(
            f"--temp-dir={self.here.folder}/r", f"--ray-client-server-port={free_port()}"
        )


@contextmanager
def running_cluster(
    *,
    n_workers: int = 2,
    say: Callable[[str], None] = lambda _: None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """The topology of docker-compose.yml until the context ends; `say` is told each step.

    `settings` are variables that every node has beside those of the compose file.
    """
    # Ray's sockets want a short path
    with (
        tempfile.TemporaryDirectory(prefix="cg-", dir="/tmp", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        secrets = _write_secrets(folder / "secrets")
        say("PostgreSQL, Valkey and S3")
        postgresql = stack.enter_context(running_postgresql())
        _create_database(postgresql)
        redis = stack.enter_context(running_redis(password=secrets["redis_password"]))
        (folder / "objects").mkdir()
        s3 = stack.enter_context(
            running_s3_server(
                folder / "objects",
                access_key_id=secrets["aws_access_key_id"],
                secret_access_key=secrets["aws_secret_access_key"],
            )
        )
        here = _here(folder, postgresql, redis, s3, dict(settings or {}))
        (folder / "data/scoring_files").mkdir(parents=True)
        head = Node("head", "head", "127.0.0.2", here, here.serve)
        cluster = Cluster(here, postgresql, redis, s3, head)
        say("Ray's head")
        stack.callback(head.stop)
        cluster.start_head()
        for number in range(1, n_workers + 1):
            say(f"worker {number} of {n_workers}")
            name = f"worker-{number}"
            worker = Node(name, "worker", f"127.0.0.{number + 2}", here, free_port())
            cluster.workers.append(worker)
            stack.callback(worker.stop)
            cluster.start_worker(worker)
        say("the service")
        here.run("bucket")
        here.run("deploy")
        # Replicas are spread; a node that gets its first one late has no proxy until then
        cluster.until(
            "every node serves", lambda: all(cluster.serves(n.url) for n in cluster.nodes)
        )
        yield cluster


def _write_secrets(folder: Path) -> dict[str, str]:
    subprocess.run([CHECKOUT / "configs/compose/make_secrets.sh", folder], check=True)
    return {file.name: file.read_text() for file in folder.iterdir()}


def _create_database(server: PostgresqlServer) -> None:
    """As the container of the compose file makes user and database at its first start."""
    given = SERVICES["postgres"].environment
    user, database = given["POSTGRES_USER"], given["POSTGRES_DB"]
    url = make_url(server.url).set(drivername="postgresql+psycopg2")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {user} LOGIN"))
        connection.execute(text(f"CREATE DATABASE {database} OWNER {user}"))
    engine.dispose()


def _here(
    folder: Path,
    postgresql: PostgresqlServer,
    redis: RedisServer,
    s3: S3Server,
    settings: dict[str, str],
) -> Here:
    gcs, dashboard, serve = free_port(), free_port(), free_port()
    served = yaml.safe_load((CHECKOUT / "configs/compose/serve.yaml").read_text())
    served["http_options"] = {"host": "127.0.0.1", "port": serve}
    (folder / "serve.yaml").write_text(yaml.safe_dump(served))
    replaced = {
        "/run/secrets": f"{folder}/secrets",
        "postgres:5432": urlsplit(postgresql.url).netloc.rpartition("@")[2],
        "valkey:6379": f"127.0.0.1:{redis.port}",
        "http://s3:8333": s3.endpoint_url,
        "--port=6379": f"--port={gcs}",
        "head:6379": f"127.0.0.2:{gcs}",
        "--dashboard-host=0.0.0.0": "--dashboard-host=127.0.0.1",
        "--dashboard-port=8265": f"--dashboard-port={dashboard}",
        "http://head:8265": f"http://127.0.0.1:{dashboard}",
        "--metrics-export-port=8080": "",
        "=1500000000": "=150000000",
        "=500000000": "=150000000",
        "/etc/curagenie/serve.yaml": f"{folder}/serve.yaml",
    }
    return Here(folder, gcs, dashboard, serve, replaced, settings)
