"""GET /livez, /readyz and /health: does this replica live, is it able to serve?"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Response

from core.errors import InfrastructureError
from serve.readiness import Outcome, database_check, objects_check, run_checks
from serve.schemas.health import CheckAnswer, Health, Life, Readiness
from serve.services import Services, ServicesOf

logger = logging.getLogger(__name__)
router = APIRouter(tags=["health"])

NOT_INSTALLED = "0+unknown"


def product_version() -> str:
    """The installed version; a bare checkout has none."""
    try:
        return version("curagenie")
    except PackageNotFoundError:
        return NOT_INSTALLED


@router.get("/health", responses={503: {"model": Health, "description": "Not able to serve"}})
def health(services: ServicesOf, response: Response) -> Health:
    """200 while this replica can reach the database, else 503."""
    response.headers["Cache-Control"] = "no-store"
    if _database_answers(services):
        return Health(status="ok", version=product_version(), database="ok")
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(status="unavailable", version=product_version(), database="unavailable")


def _database_answers(services: Services) -> bool:
    try:
        with services.database.reading() as tx:
            tx.now()
    except InfrastructureError as error:
        logger.warning("not healthy: %s", error)
        return False
    return True


@router.get("/livez")
def livez(response: Response) -> Life:
    """200 while this process answers; nothing else is asked, so a restart would help if not."""
    response.headers["Cache-Control"] = "no-store"
    return Life(status="ok")


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not able to serve"}})
def readyz(services: ServicesOf, response: Response, verbose: str | None = None) -> Readiness:
    """200 where requests may be sent here: all is well, or what is lost only slows (`degraded`).

    503 without the database or the object store, and while the service stops. `?verbose` tells
    each check with its seconds.
    """
    response.headers["Cache-Control"] = "no-store"
    checks = [database_check(services.database), objects_check(services.objects), *services.checks]
    outcomes = run_checks(checks)
    readiness = _readiness(outcomes, verbose=verbose not in (None, "0", "false"))
    if readiness.status == "unavailable":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return readiness


def _readiness(outcomes: Sequence[Outcome], *, verbose: bool) -> Readiness:
    if any(outcome.refuses for outcome in outcomes):
        status = "unavailable"
    elif all(outcome.status == "ok" for outcome in outcomes):
        status = "ok"
    else:
        status = "degraded"
    told = [CheckAnswer(**asdict(outcome)) for outcome in outcomes] if verbose else None
    return Readiness(status=status, checks=told)
