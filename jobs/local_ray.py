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
from pickle import PickleBuffer
from typing import Any

_OBJECT_STORE_BYTES = 256 << 20
_RESULTS_BYTES = 64 << 20
"""Of an object store, for tables under way. Every process that touches a page of it counts the page
as its own memory, so a run's store is no larger than it needs."""

_SPILLS_AT = 0.8
"""The part of a store from which on Ray writes objects to disk, what is broadcast among them."""


def has_cluster() -> bool:
    """Whether this process is on a cluster, or was given one by RAY_ADDRESS."""
    return "RAY_ADDRESS" in os.environ or _is_connected()


def _is_connected() -> bool:
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def join_or_start_ray(broadcast: object) -> None:
    """Connect to RAY_ADDRESS, or start a local cluster with room for what is broadcast; nothing
    where one is connected already."""
    if _is_connected():
        return
    if "RAY_ADDRESS" in os.environ:
        import ray  # noqa: PLC0415  not before the environment is known, see above

        ray.init(log_to_driver=False, configure_logging=False)
        # Ray's own, at exit, waits half a second for workers' output, which is not asked for
        atexit.register(ray.shutdown)
    else:
        start_local_ray(broadcast=broadcast)


def start_local_ray(
    *,
    num_cpus: int | None = None,
    temp_dir: Path | None = None,
    include_dashboard: bool = False,
    dashboard_port: int | None = None,
    namespace: str | None = None,
    broadcast: object = None,
) -> None:
    """A private cluster of this machine, closed to anyone without the token in its environment.

    `num_cpus` is logical: how many shards run at once. The object store has room for `broadcast`,
    which is not put there yet. Stop it with `ray.shutdown()`. Ray reads how it authenticates when
    it is imported, so this must be what imports it first in a process, unless the environment has
    RAY_AUTH_MODE and RAY_AUTH_TOKEN (or its _PATH) already.
    """
    _close_to_strangers()
    import ray  # noqa: PLC0415  not before the environment is set, see above

    ray.init(
        address="local",
        num_cpus=num_cpus,
        object_store_memory=_OBJECT_STORE_BYTES if broadcast is None else _room_for(broadcast),
        include_dashboard=include_dashboard,
        dashboard_host="127.0.0.1",
        dashboard_port=dashboard_port,
        namespace=namespace,
        log_to_driver=False,
        logging_level=logging.WARNING,
        _temp_dir=str(temp_dir) if temp_dir is not None else None,
    )


def _room_for(broadcast: object) -> int:
    """Bytes of an object store for it and for the tables that come back."""
    from ray import cloudpickle  # noqa: PLC0415 - see start_local_ray

    buffers: list[PickleBuffer] = []
    dumps: Any = vars(cloudpickle)["dumps"]
    inline = dumps(broadcast, protocol=5, buffer_callback=buffers.append)
    n_bytes = len(inline) + sum(buffer.raw().nbytes for buffer in buffers)
    return round((n_bytes + _RESULTS_BYTES) / _SPILLS_AT)


def _close_to_strangers() -> None:
    """Token authentication for the cluster and everything that this process starts on it."""
    if "RAY_AUTH_MODE" not in os.environ and "ray" in sys.modules:
        raise RuntimeError("ray was imported before its authentication was set")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
