"""/docs (Swagger UI) and /redoc (ReDoc) that load nothing from another host.

The scripts and styles are the assets inside the `fastapi-offline` wheel. The content security
policy makes it a promise: a browser refuses whatever these pages might still ask elsewhere.
"""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_ASSETS = "/docs-assets"
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)


def install_docs(api: FastAPI) -> None:
    """Adds both pages and their assets; the application must have been made without its own."""
    assets = str(files("fastapi_offline") / "static")
    api.mount(_ASSETS, StaticFiles(directory=assets), name="docs-assets")
    api.add_api_route("/docs", lambda: _page(_swagger_ui(api)), include_in_schema=False)
    api.add_api_route("/redoc", lambda: _page(_redoc(api)), include_in_schema=False)


def _swagger_ui(api: FastAPI) -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=api.title,
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},
    )


def _redoc(api: FastAPI) -> HTMLResponse:
    return get_redoc_html(
        openapi_url="/openapi.json",
        title=api.title,
        redoc_js_url=f"{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{_ASSETS}/favicon.png",
        with_google_fonts=False,
    )


def _page(page: HTMLResponse) -> HTMLResponse:
    page.headers["Content-Security-Policy"] = _POLICY
    return page
