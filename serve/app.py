"""Wiring for Ray Serve: `build` is the HTTP application, `build_live` the WebSockets at /ws.

Both are import paths of `serve deploy configs/serve.yaml`, and what `curagenie up` runs. They are
entry points: `args` are settings by field name and win over the environment.
"""

import io
import logging
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout

from pydantic import JsonValue
from ray import serve
from ray.serve import Application
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from core.queues import read_queue_limits
from core.records.migrations import migrate
from core.settings import Settings, load_settings
from jobs.attempt import JobEnvironment
from jobs.dispatcher import start_dispatcher, stop_dispatcher
from jobs.status import start_status
from serve.deployments import ApiIngress, LiveIngress, ReplicaConfig

_WARM_WORKERS = 2
"""Processes made ready at the start: one for an upload's job, one for a score's."""


def build(args: dict[str, JsonValue]) -> Application:
    """The HTTP application; also brings the database up to date and starts the job actors."""
    settings = load_settings(**args)
    prepare(settings)
    return wire_api(settings)


def build_live(args: dict[str, JsonValue]) -> Application:
    return wire_live(load_settings(**args))


def wire_api(settings: Settings) -> Application:
    replicas = ApiIngress.options(num_replicas=settings.api_replicas)
    return replicas.bind(replica_config(settings))


def wire_live(settings: Settings) -> Application:
    replicas = LiveIngress.options(num_replicas=settings.live_replicas)
    return replicas.bind(replica_config(settings))


def replica_config(settings: Settings) -> ReplicaConfig:
    return ReplicaConfig(
        database_url=settings.database_url,
        objects=settings.objects_location,
        diseases_file=settings.config_dir / "diseases.yaml",
        scoring_files_dir=settings.scoring_files_dir,
        pgs_catalog_url=settings.pgs_catalog_url,
        reference_fastas=settings.reference_fastas,
        max_upload_bytes=settings.max_upload_bytes,
        presigned_downloads=settings.presigned_downloads,
        cors_origins=settings.cors_origins,
        redis_url=settings.redis_url,
    )


def prepare(settings: Settings) -> None:
    """The database's newest schema; the status actor and the dispatcher, once per cluster."""
    migrate(settings.database_url)
    start_status(progress_hz=settings.progress_hz, redis_url=settings.redis_url)
    environment = JobEnvironment(
        database_url=settings.database_url,
        objects=settings.objects_location,
        scoring_files_dir=settings.scoring_files_dir,
        shard_bytes=settings.shard_bytes,
        chains=settings.chains,
        reference_fastas=settings.reference_fastas,
        lease_seconds=settings.lease_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        checkpoint_seconds=settings.checkpoint_seconds,
    )
    start_dispatcher(
        environment,
        read_queue_limits(settings.config_dir / "queues.yaml"),
        poll_seconds=settings.poll_seconds,
        n_warm_workers=_WARM_WORKERS,
    )


@contextmanager
def serving(settings: Settings) -> Generator[None]:
    """Both applications on the Ray that this process is connected to; Serve ends with the block."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    prepare(settings)
    # Paths carry user ids, so the access log stays off, in the proxy and in each replica.
    logs = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(
        proxy_location="HeadOnly",
        http_options=HTTPOptions(host=settings.host, port=settings.port),
        logging_config=logs,
    )
    try:
        serve.run_many(
            [
                serve.RunTarget(wire_api(settings), "api", "/", logging_config=logs),
                serve.RunTarget(wire_live(settings), "live", "/ws", logging_config=logs),
            ]
        )
        yield
    finally:
        stop_dispatcher(settings.stop_seconds)
        # The controller dies while it is still being asked to stop, and Ray prints that.
        with redirect_stdout(io.StringIO()):
            serve.shutdown()
