"""The HTTP application: a plain FastAPI factory, made once per replica and testable without Ray."""

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute

from serve.docs import install_docs
from serve.errors import install_error_handlers, problem_responses
from serve.request_context import RequestContext
from serve.routes import genomic_data, health, jobs, metrics, prs, scoring_files
from serve.schemas.problem import Problem
from serve.services import Services

_DESCRIPTION = """
Genotypes in, polygenic scores out, every step on a WebSocket at `/ws/{user_id}`.

Errors are problem+json (RFC 9457). Lists are cursor pages. Every result is for research use only.
"""


def create_api(services: Services, *, cors_origins: Sequence[str] = ()) -> FastAPI:
    """All routes but the WebSocket's, which is an application of its own (serve.live_api)."""
    api = FastAPI(
        title="CuraGenie",
        version=health.product_version(),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    api.state.services = services
    install_error_handlers(api)
    for routes in (genomic_data, scoring_files, prs, jobs, health, metrics):
        api.include_router(routes.router, responses=problem_responses(500, 503))
    install_docs(api)
    _describe_problems(api)
    # The last one added is the outermost: a 500 needs its CORS headers too.
    api.add_middleware(RequestContext)
    api.add_middleware(
        CORSMiddleware,
        allow_origins=list(cors_origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[
            "Location",
            "Link",
            "X-Request-Id",
            "Content-Disposition",
            "Idempotency-Replayed",
        ],
    )
    return api


def _operation_id(route: APIRoute) -> str:
    """The handler's name: stable, and what generated clients call their methods."""
    return route.name


def _describe_problems(api: FastAPI) -> None:
    """Adds the Problem schema that every error response refers to."""
    document = api.openapi

    def with_problem() -> dict[str, object]:
        schema = document()
        schemas = schema["components"]["schemas"]
        described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(described.pop("$defs"))
        schemas["Problem"] = described
        return schema

    api.openapi = with_problem
