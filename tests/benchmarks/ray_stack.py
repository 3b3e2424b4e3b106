"""A Ray that runs on this machine while something else is timed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STARTER = """
import sys
from jobs.local_ray import start_local_ray
start_local_ray(num_cpus=2)
import os, ray
print(ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"], flush=True)
sys.stdin.read()
ray.shutdown()
"""


@contextmanager
def running_ray() -> Iterator[dict[str, str]]:
    """The environment in which a process joins it."""
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
    ) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        try:
            address, token = starter.stdout.readline().split()
            yield {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        finally:
            starter.stdin.close()
            starter.wait(60)
