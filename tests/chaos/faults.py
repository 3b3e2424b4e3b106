"""What is done to a cluster that runs: each fault strikes, is over after some seconds, and is then
mended as the compose file's restart policy would."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from redis import Redis
from sqlalchemy import create_engine, text

from tests.cluster.nodes import Node
from tests.cluster.topology import Cluster

STOPPED_SECONDS = 15.0
"""Longer than a lease of the chaos run: who is stopped so long comes back as a zombie."""

_NOTICED_SECONDS = 6.0
"""Ray's head ends when Valkey does; so long after, it has."""


@dataclass(frozen=True)
class Fault:
    """`strike` returns False where there is nothing to hit now."""

    name: str
    strike: Callable[[Cluster, Random], bool]


def _pids(cluster: Cluster, title: str) -> list[int]:
    return [pid for node in cluster.nodes for pid in node.pids_of(title)]


def _kill_one(*titles: str) -> Callable[[Cluster, Random], bool]:
    def strike(cluster: Cluster, random: Random) -> bool:
        pids = [pid for title in titles for pid in _pids(cluster, title)]
        return bool(pids) and _send(random.choice(pids), signal.SIGKILL)

    return strike


def _send(pid: int, what: signal.Signals) -> bool:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return False
    return True


def _stop_worker_process(cluster: Cluster, random: Random) -> bool:
    pids = _pids(cluster, "ray::run_attempt")
    if not pids or not _send(pid := random.choice(pids), signal.SIGSTOP):
        return False
    time.sleep(STOPPED_SECONDS)
    _send(pid, signal.SIGCONT)
    return True


def _lose_worker_node(cluster: Cluster, random: Random) -> bool:
    worker: Node = random.choice(cluster.workers)
    return _away(random, 8, worker.kill, lambda: cluster.start_worker(worker))


def _lose_head(cluster: Cluster, random: Random) -> bool:
    return _away(random, 4, cluster.head.kill, cluster.start_head)


def _away(
    random: Random, at_most: float, stop: Callable[[], None], start: Callable[[], None]
) -> bool:
    """Stopped, and started again after up to that many seconds."""
    stop()
    time.sleep(random.uniform(0, at_most))
    start()
    return True


def _crash_postgresql(cluster: Cluster, random: Random) -> bool:
    server = cluster.postgresql
    return _away(random, 6, lambda: server.stop(mode="immediate"), server.start)


def _cut_database_connections(cluster: Cluster, _: Random) -> bool:
    engine = create_engine(cluster.postgresql.url.replace("postgresql:", "postgresql+psycopg2:", 1))
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'curagenie' AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()
    return True


def _kill_redis(cluster: Cluster, random: Random) -> bool:
    _away(random, 4, cluster.redis.kill, cluster.redis.start)
    time.sleep(_NOTICED_SECONDS)
    return True


def _forget_our_redis(cluster: Cluster, _: Random) -> bool:
    """Ours is database 1; what Ray knows is in 0."""
    with Redis.from_url(f"{cluster.redis.url.removesuffix('/0')}/1") as client:
        client.flushdb()
    return True


def _kill_s3(cluster: Cluster, random: Random) -> bool:
    return _away(random, 6, cluster.s3.kill, cluster.s3.start)


FAULTS = (
    Fault("job's process killed", _kill_one("ray::run_attempt")),
    Fault("job's process stopped 15 s", _stop_worker_process),
    Fault("dispatcher killed", _kill_one("ray::Dispatcher")),
    Fault("JobStatus killed", _kill_one("ray::JobStatus")),
    Fault("API replica killed", _kill_one("ray::ServeReplica:api")),
    Fault("WebSocket replica killed", _kill_one("ray::ServeReplica:live")),
    Fault("Serve proxy killed", _kill_one("ray::ProxyActor")),
    Fault("Serve controller killed", _kill_one("ray::ServeController")),
    Fault("worker node lost", _lose_worker_node),
    Fault("head lost", _lose_head),
    Fault("PostgreSQL crashed", _crash_postgresql),
    Fault("database connections cut", _cut_database_connections),
    Fault("Valkey killed", _kill_redis),
    Fault("our keys in Valkey lost", _forget_our_redis),
    Fault("S3 killed", _kill_s3),
)


def mend(cluster: Cluster) -> None:
    """Starts again what ended, as `restart: unless-stopped` does; returns once all nodes serve."""
    if not cluster.head.is_running:
        with suppress(RuntimeError):  # it may end once more while Valkey is still reading its file
            cluster.start_head()
    for worker in cluster.workers:
        if not worker.is_running:
            cluster.start_worker(worker)
    if not cluster.head.is_running:
        cluster.start_head()
    cluster.wait_until_it_serves()
