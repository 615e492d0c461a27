"""RFC 9457 problem details: how the control plane says what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ninefold.domain.errors import InvalidRequest, NinefoldError, Unauthenticated
from ninefold.http.errors import row

MEDIA_TYPE = "application/problem+json"
_TITLES = {404: ("not_found", "Not found"), 405: ("method_not_allowed", "The method is not allowed here")}


class FieldProblem(BaseModel):
    """One field that is wrong."""

    field: str = Field(description="where: `body.tenant`, `query.limit`")
    message: str = Field(description="what it should be")


class Problem(BaseModel):
    """What went wrong and what to do next. Source: RFC 9457; `code`, `trace_id`, `param` and `errors` are extension members."""

    type: str = Field(description="a name of the kind of problem, stable")
    title: str = Field(description="the kind of problem for people, stable")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="this problem, and what to do next")
    code: str = Field(description="the kind of problem for programs, stable")
    trace_id: str = Field(description="the id to search the logs for")
    param: str | None = Field(default=None, description="the field or setting to change")
    errors: list[FieldProblem] | None = Field(default=None, description="every field that is wrong")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer besides success, for the OpenAPI document: `statuses`, those every operation has, and any other."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    told = {400: "The request is not valid", 401: "The admin key is missing or wrong", 404: "There is no such thing", 409: "Conflict"}
    documented: dict[int | str, dict[str, Any]] = {
        status: {"description": told[status], "content": content} for status in sorted({400, 401, *statuses})
    }
    return documented | {"default": {"description": "Any other problem", "content": content}}


def problem(request: Request, *, status: int, code: str, title: str, detail: str, **more: object) -> JSONResponse:
    """The response. `more` are extension members; those that are None are left out."""
    document = Problem.model_validate(
        {
            "type": f"https://ninefold.dev/errors/{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
            "trace_id": request.scope.get("ninefold.trace_id", ""),
            **more,
        }
    )
    return JSONResponse(document.model_dump(exclude_none=True), status_code=status, media_type=MEDIA_TYPE)


async def on_error(request: Request, error: Exception) -> JSONResponse:
    """The response to one of our own errors."""
    assert isinstance(error, NinefoldError)
    response = problem(request, status=row(error).status, code=error.code, title=error.title, detail=error.detail, param=error.param)
    if isinstance(error, Unauthenticated):
        response.headers["www-authenticate"] = 'Bearer realm="ninefold control plane"'
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return response


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """The response to a request that does not fit the schema; it names every field and repeats none of their values."""
    assert isinstance(error, RequestValidationError)
    fields = [FieldProblem(field=".".join(str(step) for step in each["loc"]), message=str(each["msg"])) for each in error.errors()]
    first = fields[0] if fields else FieldProblem(field="body", message="cannot be read")
    return problem(
        request,
        status=400,
        code=InvalidRequest.code,
        title=InvalidRequest.title,
        detail=f"{first.field}: {first.message}",
        param=first.field,
        errors=fields or None,
    )


async def on_http(request: Request, error: Exception) -> JSONResponse:
    """The response where the router itself refuses: no such path, no such method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    code, title = _TITLES.get(error.status_code, (InvalidRequest.code, InvalidRequest.title))
    told: Mapping[int, str] = {
        404: "There is nothing at this path; /api/openapi.json lists what there is.",
        405: "This path does not take this method; /api/openapi.json lists what it takes.",
    }
    response = problem(request, status=error.status_code, code=code, title=title, detail=told.get(error.status_code, str(error.detail)))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response
