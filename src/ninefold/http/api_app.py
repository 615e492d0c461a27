"""The control plane's HTTP application: every route under `/api/v1` behind the admin key, and one shape for every problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from ninefold.domain.errors import NinefoldError, Unauthenticated
from ninefold.http.api_boundary import Boundary
from ninefold.http.problem import Problem, on_error, on_http, on_invalid

_bearer = HTTPBearer(auto_error=False, scheme_name="admin_key", description="The key in `<data_dir>/admin.key`.")


def control_api(
    routers: Sequence[APIRouter],
    *,
    version: str,
    is_admin: Callable[[str], bool],
    is_ready: Callable[[], bool],
    metrics: Callable[[], str],
    report: Callable[..., None],
) -> FastAPI:
    """The application. `is_admin` compares in constant time; `report(event, **fields)` takes what callers must not see."""

    def require_admin(shown: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> None:
        if shown is None:
            raise Unauthenticated("Send the admin key as `Authorization: Bearer <key>`; it stands in `<data_dir>/admin.key`.")
        if not is_admin(shown.credentials):
            raise Unauthenticated("This is not the admin key; it stands in `<data_dir>/admin.key`.")

    app = FastAPI(
        title="Ninefold control plane",
        version=version,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        app.include_router(router, prefix="/api/v1", dependencies=[Depends(require_admin)])
    _add_probes(app, is_ready, metrics)
    app.add_exception_handler(NinefoldError, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_middleware(Boundary, report=report)
    app.openapi = lambda: _document(app)
    return app


def _add_probes(app: FastAPI, is_ready: Callable[[], bool], metrics: Callable[[], str]) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        ready = is_ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics_page() -> PlainTextResponse:
        return PlainTextResponse(metrics(), media_type="text/plain; version=0.0.4")


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes, description=__doc__)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        app.openapi_schema = document
    return app.openapi_schema
