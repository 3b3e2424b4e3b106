"""docker-compose.yml as processes: its commands do what they say, and the main job passes."""

from collections.abc import Iterator
from io import StringIO

import httpx2
import pytest
from rich.console import Console

from serve.demo import walk, write_demo_files
from serve.stack import Stack
from tests.cluster.topology import Cluster, running_cluster

pytestmark = [pytest.mark.acceptance, pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


def test_every_node_takes_requests_and_the_store_is_s3(cluster: Cluster) -> None:
    for node in cluster.nodes:
        ready = httpx2.get(f"{node.url}/readyz?verbose", timeout=30)
        assert ready.status_code == 200, ready.text
        assert {check["status"] for check in ready.json()["checks"]} == {"ok"}
        assert "redis" in {check["name"] for check in ready.json()["checks"]}


def test_without_the_token_nobody_looks_into_ray(cluster: Cluster) -> None:
    refused = httpx2.get(f"{cluster.here.dashboard_url}/api/jobs/")
    assert refused.status_code == 401


def test_the_main_job_passes_on_each_node(cluster: Cluster) -> None:
    files = write_demo_files(cluster.here.folder / "demo", n_samples=20, n_variants=500)
    files.scoring_file.rename(cluster.scoring_files_dir / files.scoring_file.name)
    sums = []
    for node in cluster.nodes:
        # Each walk is a user of its own, whose events are numbered from 1
        shown = walk(Console(file=StringIO()), Stack(node.url, None), files, user=node.name)
        assert shown["score"]["status"] == "completed"
        sums.append([row["score_sum"] for row in shown["samples"]])
    assert sums[0] == sums[1] == sums[2]
    stored = {path.name for path in (cluster.s3.directory / "curagenie").iterdir()}
    assert {"genomic_data", "prs_scores"} <= stored
