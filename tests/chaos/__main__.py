"""`make chaos`: seeded faults on the compose topology under a mixed load; then every promise is
checked: accepted jobs ended, scores are those of a run without faults, every client has every
event once and in order, and no stored object is left that nobody needs."""

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console

from core.demo_data import DEMO_ACCESSION
from core.records.session import open_database
from core.storage.objects import open_objects
from jobs.janitor import find_orphans
from serve.demo import write_demo_files
from tests.chaos.faults import FAULTS, Fault, mend
from tests.chaos.people import Cohort, Ledger, Person
from tests.chaos.summary import write_summary
from tests.cluster.follower import Follower, following
from tests.cluster.topology import Cluster, running_cluster

EXAMPLE = "Example: python -m tests.chaos --seed 1 --minutes 30"
N_PEOPLE = 4
N_CLIENTS = 200
QUIET_SECONDS = (3.0, 12.0)
SETTINGS = {
    "CURAGENIE_SHARD_BYTES": str(64 * 1024),
    "CURAGENIE_LEASE_SECONDS": "10",
    "CURAGENIE_HEARTBEAT_SECONDS": "2",
    "CURAGENIE_CHECKPOINT_SECONDS": "1",
}
RESULTS = Path(__file__).parents[1] / "faults/RESULTS.md"


def main() -> int:
    arguments = _parse()
    console = Console(stderr=arguments.output == "json", log_path=False, width=160)
    console.log(f"seed {arguments.seed}, {arguments.minutes:g} minutes")
    with running_cluster(
        say=lambda step: console.log(f"Starting {step} …"), settings=SETTINGS
    ) as cluster:
        found = _run(cluster, console, arguments.seed, arguments.minutes * 60)
    found = {"seed": arguments.seed, "minutes": arguments.minutes, **found}
    if arguments.output == "json":
        sys.stdout.write(json.dumps(found) + "\n")
    for sentence in found["violations"]:
        console.log(f"BROKEN {sentence}", markup=False)
    console.log(f"{len(found['violations'])} promises broken")
    if arguments.record:
        write_summary(RESULTS, found)
    return 1 if found["violations"] else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, epilog=EXAMPLE
    )
    parser.add_argument("--seed", type=int, default=1, help="of what happens when (1)")
    parser.add_argument("--minutes", type=float, default=30.0, help="of faults (30)")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    return parser.parse_args()


def _run(cluster: Cluster, console: Console, seed: int, seconds: float) -> dict[str, Any]:
    ledger = Ledger(tell=lambda said: console.log(f"BROKEN {said}", markup=False))
    urls = [node.url for node in cluster.nodes]
    cohorts = _with_golden_scores(_write_cohorts(cluster), urls)
    console.log(f"golden scores of {len(cohorts)} files are known")
    people = [
        Person(f"person-{n}", urls, cohorts, ledger, Random(f"{seed} person {n}"))
        for n in range(N_PEOPLE)
    ]
    clients = [Follower(urls, people[n % N_PEOPLE].user) for n in range(N_CLIENTS)]
    with following(*clients):
        with _living(people):
            struck = _strike(cluster, console, Random(f"{seed} faults"), seconds, ledger)
        console.log("no more faults; waiting for what is under way")
        broken = [*ledger.violations, *_broken_promises(cluster, clients, ledger)]
    late = sorted(second for client in clients for second in client.seconds_late)
    return {
        "faults": dict(struck),
        "walks": dict(ledger.walks),
        "jobs": len(ledger.jobs),
        "answers": dict(ledger.answers),
        "api_seconds": _percentiles(sorted(ledger.seconds)),
        "events_received": sum(client.sequence for client in clients),
        "event_seconds": _percentiles(late),
        "reconnects": sum(client.n_connections - 1 for client in clients),
        "clients": len(clients),
        "violations": broken,
    }


def _percentiles(ordered: Sequence[float]) -> dict[str, float]:
    if not ordered:
        return {}
    return {
        f"p{share:g}": round(ordered[min(int(len(ordered) * share / 100), len(ordered) - 1)], 3)
        for share in (50, 99, 99.9)
    }


def _write_cohorts(cluster: Cluster) -> list[Cohort]:
    """One of one shard, one of many, and one that is cut off in the middle."""
    folder = cluster.here.folder / "cohorts"
    small = write_demo_files(folder / "small", n_samples=20, n_variants=500)
    large = write_demo_files(folder / "large", n_samples=300, n_variants=6000)
    small.scoring_file.rename(cluster.scoring_files_dir / small.scoring_file.name)
    content = large.vcf.read_bytes()
    return [
        Cohort("small.vcf.gz", small.vcf.read_bytes(), DEMO_ACCESSION),
        Cohort("large.vcf.gz", content, DEMO_ACCESSION),
        Cohort("cut.vcf.gz", content[: len(content) // 2], DEMO_ACCESSION, is_damaged=True),
    ]


def _with_golden_scores(cohorts: Sequence[Cohort], urls: Sequence[str]) -> list[Cohort]:
    """Scored before the first fault. Raises RuntimeError where that fails already."""
    ledger = Ledger()
    person = Person("golden", urls, cohorts, ledger, Random(0))
    scored = [replace(cohort, scores=person.score(cohort)) for cohort in cohorts]
    if ledger.violations or any((c.scores is None) != c.is_damaged for c in scored):
        raise RuntimeError(f"without any fault: {ledger.violations}")
    return scored


@contextmanager
def _living(people: Sequence[Person]) -> Iterator[None]:
    stopping = threading.Event()
    threads = [threading.Thread(target=person.live, args=(stopping,)) for person in people]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def _strike(
    cluster: Cluster, console: Console, random: Random, seconds: float, ledger: Ledger
) -> Counter[str]:
    """Every fault once in a random order, then again, until the time is over."""
    struck: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    deck: list[Fault] = []
    while time.monotonic() < ends:
        if not deck:
            deck = random.sample(FAULTS, len(FAULTS))
        fault = deck.pop()
        time.sleep(random.uniform(*QUIET_SECONDS))
        began = time.monotonic()
        if not fault.strike(cluster, random):
            continue
        struck[fault.name] += 1
        mend(cluster)
        console.log(
            f"{fault.name}: served again after {time.monotonic() - began:.0f} s; "
            f"{len(ledger.jobs)} jobs, {len(ledger.violations)} promises broken"
        )
    return struck


def _broken_promises(
    cluster: Cluster, clients: Sequence[Follower], ledger: Ledger
) -> Iterator[str]:
    settings = cluster.settings
    database = open_database(settings.database_url)
    objects = open_objects(settings.objects_location)
    try:
        with database.reading() as tx:
            for job_id in sorted(ledger.jobs):
                if not (state := tx.jobs.get(job_id, user_id=None).state).is_terminal:
                    yield f"job {job_id} is {state} at the end"
            newest = tx.events.last_sequences({client.user for client in clients})
            for user, last in newest.items():
                seen = [event.sequence for event in tx.events.after(user, 0, limit=last + 1)]
                if seen != list(range(1, last + 1)):
                    yield f"the events of {user} are not 1 to {last}"
        yield from _missed_events(clients, newest)
        for entry in find_orphans(objects, database, older_than=timedelta(0)).objects:
            yield f"nobody needs {entry.key}"
    finally:
        database.close()


def _missed_events(clients: Sequence[Follower], newest: dict[str, int]) -> Iterator[str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if all(client.sequence >= newest[client.user] for client in clients):
            break
        time.sleep(0.5)
    for client in clients:
        yield from client.broken
        if client.sequence < newest[client.user]:
            yield f"a client of {client.user} has {client.sequence} of {newest[client.user]} events"


if __name__ == "__main__":
    sys.exit(main())
