"""GET /health: is this replica able to serve?"""

import logging
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Response

from core.errors import InfrastructureError
from serve.schemas.health import Health
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
