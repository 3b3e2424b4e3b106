"""The Ray Serve deployments. A replica opens its own database and store and builds its own
application; what travels to it is a small record of where they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from ray import serve

from core.diseases import read_diseases
from core.genome_build import GenomeBuild
from core.records.session import open_database
from core.scoring.catalog import PgsCatalog
from core.scoring.library import ScoringFileLibrary
from core.storage.objects import ObjectsLocation, open_objects
from jobs.submit import announce
from serve.api import create_api
from serve.live import ActorFeed, DatabaseEventLog, Hub
from serve.live_api import create_live_api
from serve.readiness import cluster_checks
from serve.services import Services

# A replica waits for requests, it does not compute; Serve's default is a whole CPU.
_REPLICA = {"num_cpus": 0.1}


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """What a replica needs from the settings."""

    database_url: str = field(repr=False)
    objects: ObjectsLocation
    diseases_file: Path
    scoring_files_dir: Path
    pgs_catalog_url: str
    reference_fastas: Mapping[GenomeBuild, Path]
    max_upload_bytes: int
    cors_origins: Sequence[str]
    presigned_downloads: bool = False
    redis_url: str | None = field(default=None, repr=False)


@serve.deployment(
    name="Api",
    ray_actor_options=_REPLICA,
    max_ongoing_requests=100,
    graceful_shutdown_wait_loop_s=0.2,
    graceful_shutdown_timeout_s=5.0,
)
@serve.ingress()
class ApiIngress:
    """REST, documents and health."""

    def __init__(self, config: ReplicaConfig) -> None:
        self._config = config

    def __serve_build_asgi_app__(self) -> FastAPI:
        config = self._config
        services = Services(
            database=open_database(config.database_url),
            objects=open_objects(config.objects),
            diseases=read_diseases(config.diseases_file),
            scoring_files=ScoringFileLibrary(config.scoring_files_dir),
            pgs_catalog=PgsCatalog(config.pgs_catalog_url),
            reference_fastas=config.reference_fastas,
            announce=announce,
            max_upload_bytes=config.max_upload_bytes,
            presigned_downloads=config.presigned_downloads,
            checks=cluster_checks(config.redis_url),
        )
        return create_api(services, cors_origins=config.cors_origins)


@serve.deployment(
    name="Live",
    ray_actor_options=_REPLICA,
    # A socket occupies its place for its whole life; the default of 5 would hang the sixth client.
    max_ongoing_requests=2000,
    graceful_shutdown_wait_loop_s=0.2,
    graceful_shutdown_timeout_s=2.0,
)
@serve.ingress()
class LiveIngress:
    """WebSockets. Fixed replicas: autoscaling would count sockets and cut them when it shrinks."""

    def __init__(self, config: ReplicaConfig) -> None:
        self._config = config

    def __serve_build_asgi_app__(self) -> FastAPI:
        log = DatabaseEventLog(open_database(self._config.database_url))
        return create_live_api(Hub(ActorFeed(), log), cors_origins=self._config.cors_origins)
