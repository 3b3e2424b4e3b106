"""The service with a process that publishes on it, for the latency of events.

    python -m tests.benchmarks.publisher FOLDER USER PER_SECOND SECONDS

prints its URL, waits for a line, publishes to the user at that rate, and ends with its stdin.
"""

import sys
import time
from pathlib import Path

from core.events import Progress
from core.settings import load_settings
from serve.stack import free_port, running_stack


def main(folder: Path, user: str, per_second: float, seconds: float) -> None:
    settings = load_settings(_env_file=None, data_dir=folder / "data", port=free_port())
    with running_stack(settings) as stack:
        sys.stdout.write(f"{stack.url}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        publish_evenly(user, per_second, seconds)
        sys.stdin.read()


def publish_evenly(user: str, per_second: float, seconds: float) -> None:
    """Each message is about a job of its own, because progress of one job is merged."""
    from jobs.status import publish_progress  # imports Ray, which running_stack must do first

    started = time.monotonic()
    for number in range(int(per_second * seconds)):
        if (early := started + number / per_second - time.monotonic()) > 0:
            time.sleep(early)
        publish_progress(user, Progress(number, done=1, total=2, snapshot=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
