"""Ray for one process: the cluster it was given, else a private one that ends with it.

Every cluster started here asks for a token (Ray's job API runs any code it is sent), keeps its
dashboard off unless asked, and never joins another cluster that happens to run on the machine.
Ray is imported late on purpose: it settles its authentication when it is imported.
"""

import atexit
import logging
import os
import secrets
import sys
from pathlib import Path

_OBJECT_STORE_BYTES = 256 << 20


def has_cluster() -> bool:
    """Whether this process is on a cluster, or was given one by RAY_ADDRESS."""
    return "RAY_ADDRESS" in os.environ or _is_connected()


def _is_connected() -> bool:
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def join_or_start_ray() -> None:
    """Connect to RAY_ADDRESS, or start a local cluster; nothing where one is connected already."""
    if _is_connected():
        return
    if "RAY_ADDRESS" in os.environ:
        import ray  # noqa: PLC0415  not before the environment is known, see above

        ray.init(log_to_driver=False, configure_logging=False)
        # Ray's own, at exit, waits half a second for workers' output, which is not asked for
        atexit.register(ray.shutdown)
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

    `num_cpus` is logical: how many shards run at once. Stop it with `ray.shutdown()`. Ray reads how
    it authenticates when it is imported, so this must be what imports it first in a process, unless
    the environment has RAY_AUTH_MODE and RAY_AUTH_TOKEN (or its _PATH) already.
    """
    _close_to_strangers()
    import ray  # noqa: PLC0415  not before the environment is set, see above

    ray.init(
        address="local",
        num_cpus=num_cpus,
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=include_dashboard,
        dashboard_host="127.0.0.1",
        dashboard_port=dashboard_port,
        namespace=namespace,
        log_to_driver=False,
        logging_level=logging.WARNING,
        _temp_dir=str(temp_dir) if temp_dir is not None else None,
    )


def _close_to_strangers() -> None:
    """Token authentication for the cluster and everything that this process starts on it."""
    if "RAY_AUTH_MODE" not in os.environ and "ray" in sys.modules:
        raise RuntimeError("ray was imported before its authentication was set")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
