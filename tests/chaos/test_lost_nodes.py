"""Nodes, replicas and the head of the compose topology are lost, and what it costs."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.benchmarks.cohorts import CohortShape, prepare_cohort
from tests.builders.vcf import Record, bgzip, vcf_text
from tests.cluster.follower import Follower, Message, following
from tests.cluster.nodes import Node
from tests.cluster.topology import Cluster, running_cluster

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.timeout(900)]

SHAPE = CohortShape("faults", 2504, 120_000, rare_share=0.5, repeats=12)
ENDS = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}
CHECKPOINT_SECONDS = 0.5
SETTINGS = {
    "CURAGENIE_SHARD_BYTES": str(1 << 20),
    "CURAGENIE_CHECKPOINT_SECONDS": str(CHECKPOINT_SECONDS),
    "CURAGENIE_LEASE_SECONDS": "10",
    "CURAGENIE_HEARTBEAT_SECONDS": "2",
    "CURAGENIE_PROGRESS_HZ": "20",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(settings=SETTINGS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_cohort(SHAPE, tmp_path_factory.mktemp("cohort")).vcf


class Seen:
    """What a client of one user was told, for whoever waits for it."""

    def __init__(self, cluster: Cluster, user: str) -> None:
        self.messages: list[tuple[float, Message]] = []
        self._news = threading.Condition()
        # The head's own proxy stays when a worker goes
        self.follower = Follower([cluster.head.url], user, self._take)

    def _take(self, message: Message) -> None:
        with self._news:
            self.messages.append((time.monotonic(), message))
            self._news.notify_all()

    def progress(self, job_id: int) -> list[tuple[float, int, int]]:
        """(when, done, total) of each snapshot."""
        data = [(at, m["data"]) for at, m in self.messages if m["event"] == "progress"]
        return [(at, d["done"], d["total"]) for at, d in data if d["job_id"] == job_id]

    def states(self, job_id: int) -> list[str]:
        data = [m["data"] for _, m in self.messages if m["event"] == "job_state"]
        return [d["state"] for d in data if d["job_id"] == job_id]

    def wait_for_share(self, job_id: int, share: float) -> tuple[int, int]:
        def reached() -> bool:
            found = self.progress(job_id)
            return bool(found) and found[-1][1] >= share * found[-1][2]

        self._wait(reached)
        _, done, total = self.progress(job_id)[-1]
        return done, total

    def wait_for_end(self, job_id: int) -> str:
        self._wait(lambda: bool(ENDS & set(self.states(job_id))))
        return self.states(job_id)[-1]

    def _wait(self, holds: Any) -> None:
        with self._news:
            assert self._news.wait_for(holds, timeout=240), self.messages[-5:]


def upload(node: Node, user: str, content: bytes) -> Message:
    answer = httpx2.post(
        f"{node.url}/api/genomic-data/upload",
        data={"user_id": user},
        files={"file": ("cohort.vcf.gz", content)},
        timeout=120,
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


def metadata(node: Node, record: Message) -> dict[str, Any]:
    found = httpx2.get(f"{node.url}/api/genomic-data/{record['id']}", timeout=60).json()["metadata"]
    return {name: value for name, value in found.items() if name != "attempt"}


def shards_read_before(node: Node, job_id: int) -> dict[int, int]:
    """By attempt: how many shards it found done, as the job's log tells."""
    lines = httpx2.get(f"{node.url}/api/jobs/{job_id}/log", timeout=60).json()["items"]
    found = [
        (line["attempt"], re.match(r"(\d+) shards had been read", line["message"]))
        for line in lines
    ]
    return {attempt: int(said[1]) for attempt, said in found if said is not None}


@pytest.fixture(scope="module")
def golden(cluster: Cluster, cohort: Path) -> dict[str, Any]:
    """What the cohort's job finds when nothing is lost."""
    seen = Seen(cluster, "golden")
    with following(seen.follower):
        record = upload(cluster.head, "golden", cohort.read_bytes())
        assert seen.wait_for_end(record["job_id"]) == "COMPLETE"
    return metadata(cluster.head, record)


def put_attempts_on_a_worker(cluster: Cluster) -> None:
    """Attempts run beside the dispatcher, and Ray restarts an actor on any node."""
    for _ in range(20):
        holder = cluster.node_with("ray::Dispatcher")
        if holder is not None and holder is not cluster.head:
            return
        for pid in cluster.head.pids_of("ray::Dispatcher"):
            os.kill(pid, signal.SIGKILL)
        time.sleep(2)
    pytest.fail("the dispatcher does not come up on a worker")


@pytest.mark.parametrize("with_the_attempt", [True, False])
def test_a_node_that_is_lost_costs_only_the_lost_shards(
    with_the_attempt: bool, cluster: Cluster, cohort: Path, golden: dict[str, Any]
) -> None:
    put_attempts_on_a_worker(cluster)
    user = f"node-loss-{with_the_attempt}"
    seen = Seen(cluster, user)
    with following(seen.follower):
        record = upload(cluster.head, user, cohort.read_bytes())
        done, total = seen.wait_for_share(record["job_id"], 0.5)
        holder = cluster.node_with("ray::run_attempt")
        lost = next(w for w in cluster.workers if (w is holder) == with_the_attempt)
        killed_at = time.monotonic()
        lost.kill()
        try:
            state = seen.wait_for_end(record["job_id"])
        finally:
            cluster.start_worker(lost)
            cluster.wait_until_it_serves()
    assert state == "COMPLETE"
    assert seen.follower.broken == []
    assert metadata(cluster.head, record) == golden
    progress = seen.progress(record["job_id"])
    before = [d for at, d, _ in progress if at < killed_at - 2 * CHECKPOINT_SECONDS]
    after = [d for at, d, _ in progress if at > killed_at]
    resumed = shards_read_before(cluster.head, record["job_id"])
    sys.stdout.write(
        f"\n{user}: {done} of {total} shards done when lost; resumed, by attempt: {resumed}\n"
    )
    if with_the_attempt:
        # By the job's own log: what was stored before the loss is not read again
        assert list(resumed) == [2]
        assert 0 < max(before) <= resumed[2]
    else:
        assert resumed == {}
        assert min(after) >= done


def test_a_live_replica_that_is_killed_costs_its_clients_one_reconnect_and_no_event(
    cluster: Cluster,
) -> None:
    serving = [node for node in cluster.nodes if cluster.serves(node.url)]
    clients = [Follower([node.url], f"ingress-{n}") for n in range(4) for node in serving]
    small = bgzip(vcf_text([Record("1", 100, ["0/1", "1/1"])]))
    with following(*clients):
        cluster.until("all are connected", lambda: all(c.n_connections for c in clients))
        replicas = [p for n in cluster.nodes for p in n.pids_of("ray::ServeReplica:live")]
        assert len(replicas) == 2
        for turn in range(10):
            if turn == 5:
                os.kill(replicas[0], signal.SIGKILL)
            for n in range(4):
                upload(serving[turn % len(serving)], f"ingress-{n}", small)
        # Each upload has five events: three states, its result, and COMPLETE
        cluster.until("all have all", lambda: all(c.sequence == 50 for c in clients))
        cluster.until(
            "there are two replicas again",
            lambda: sum(len(n.pids_of("ray::ServeReplica:live")) for n in cluster.nodes) == 2,
        )
    assert [sentence for client in clients for sentence in client.broken] == []
    reconnects = [client.n_connections - 1 for client in clients]
    sys.stdout.write(f"\nreconnects of {len(clients)} clients: {reconnects}\n")
    assert max(reconnects) == 1


def test_a_head_that_is_lost_comes_back_with_what_it_knew(cluster: Cluster) -> None:
    seen = Seen(cluster, "head-loss")
    worker = next(worker for worker in cluster.workers if cluster.serves(worker.url))
    small = bgzip(vcf_text([Record("1", 100, ["0/1", "1/1"])]))
    with following(seen.follower):
        first = upload(worker, "head-loss", small)
        assert seen.wait_for_end(first["job_id"]) == "COMPLETE"
        cluster.head.kill()
        # The workers' proxies and replicas go on without it
        second = upload(worker, "head-loss", small)
        cluster.start_head()
        cluster.wait_until_it_serves()
        assert seen.wait_for_end(second["job_id"]) == "COMPLETE"
        third = upload(cluster.head, "head-loss", small)
        assert seen.wait_for_end(third["job_id"]) == "COMPLETE"
    assert seen.follower.broken == []
