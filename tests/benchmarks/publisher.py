"""The service with a process that publishes on it, for the latency of events.

    python -m tests.benchmarks.publisher FOLDER N_USERS PER_SECOND SECONDS

prints its URL, waits for a line, publishes to each user at that rate, and ends with its stdin.
"""

import sys
import time
from pathlib import Path

from core.events import Progress
from core.settings import load_settings
from serve.stack import free_port, running_stack


def main(folder: Path, n_users: int, per_second: float, seconds: float) -> None:
    settings = load_settings(_env_file=None, data_dir=folder / "data", port=free_port())
    with running_stack(settings) as stack:
        sys.stdout.write(f"{stack.url}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        publish_evenly(n_users, per_second, seconds)
        sys.stdin.read()


def publish_evenly(n_users: int, per_second: float, seconds: float) -> None:
    """Each message is about a job of its own, because progress of one job is merged."""
    from jobs.status import publish_progress  # imports Ray, which running_stack must do first

    gap = 1 / (n_users * per_second)
    started = time.monotonic()
    for number in range(int(n_users * per_second * seconds)):
        if (early := started + number * gap - time.monotonic()) > 0:
            time.sleep(early)
        publish_progress(f"user-{number % n_users}", Progress(number, done=1, total=2, snapshot=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
