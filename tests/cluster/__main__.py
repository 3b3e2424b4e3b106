"""`make cluster`: the topology of docker-compose.yml as processes here, and the main job on it."""

import argparse
import json
import shutil
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from rich.console import Console

from serve.demo import walk, write_demo_files
from serve.stack import Stack
from tests.cluster.topology import Cluster, running_cluster

EXAMPLE = "Example: python -m tests.cluster --workers 3 --keep"


def main() -> int:
    arguments = _parse()
    # Both end it as Ctrl-C does: what was started is stopped
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=arguments.output == "json")
    began = time.monotonic()
    with running_cluster(
        n_workers=arguments.workers,
        say=lambda step: console.print(f"Starting {step} …", style="dim"),
    ) as cluster:
        up = {"seconds_to_start": round(time.monotonic() - began, 1), **_places(cluster)}
        for name, value in up.items():
            console.print(f"{name}: {value}")
        shown = _score_cohort(console, cluster)
        if arguments.output == "json":
            sys.stdout.write(json.dumps(up | shown) + "\n")
            sys.stdout.flush()
        if arguments.keep:
            console.print("Up until Ctrl-C.")
            with suppress(KeyboardInterrupt):
                signal.pause()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster", description=__doc__, epilog=EXAMPLE
    )
    parser.add_argument("--workers", type=int, default=2, help="Ray worker nodes (2)")
    parser.add_argument("--keep", action="store_true", help="stay up until Ctrl-C")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    return parser.parse_args()


def _places(cluster: Cluster) -> dict[str, Any]:
    return {
        "urls": [node.url for node in cluster.nodes],
        "dashboard": cluster.here.dashboard_url,
        "dashboard_token_file": f"{cluster.here.folder}/secrets/ray_token",
        "folder": str(cluster.here.folder),
    }


def _score_cohort(console: Console, cluster: Cluster) -> dict[str, Any]:
    files = write_demo_files(cluster.here.folder / "demo", n_samples=100, n_variants=2000)
    shutil.copy(files.scoring_file, cluster.scoring_files_dir)
    return walk(console, Stack(url=cluster.url, dashboard_url=None), files)


if __name__ == "__main__":
    sys.exit(main())
