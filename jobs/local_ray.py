"""Ray for one process: the cluster it was given, else a private one that ends with it.

Every cluster started here asks for a token (Ray's job API runs any code it is sent), keeps its
dashboard off unless asked, and never joins another cluster that happens to run on the machine.
"""

import os
import secrets
from pathlib import Path

import ray

_OBJECT_STORE_BYTES = 256 << 20


def join_or_start_ray() -> None:
    """Connect to RAY_ADDRESS, or start a local cluster; nothing where one is connected already."""
    if ray.is_initialized():
        return
    if "RAY_ADDRESS" in os.environ:
        ray.init(log_to_driver=False, configure_logging=False)
    else:
        start_local_ray()


def start_local_ray(
    *,
    num_cpus: int | None = None,
    temp_dir: Path | None = None,
    include_dashboard: bool = False,
    dashboard_port: int | None = None,
    namespace: str | None = None,
) -> None:
    """A private cluster of this machine, closed to anyone without the token in its environment.

    `num_cpus` is logical: how many shards run at once. Stop it with `ray.shutdown()`.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    ray.init(
        address="local",
        num_cpus=num_cpus,
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=include_dashboard,
        dashboard_host="127.0.0.1",
        dashboard_port=dashboard_port,
        namespace=namespace,
        log_to_driver=False,
        _temp_dir=str(temp_dir) if temp_dir is not None else None,
    )
