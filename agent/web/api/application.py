"""The API as an application: its addresses, what is answered instead, and its document."""

from copy import deepcopy
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.web.api import (
    audit,
    configuration,
    deliveries,
    destinations,
    drift,
    feedback,
    files,
    jobs,
    models,
    own_account,
    peers,
    people,
    quarantine,
    reading,
    studies,
    system,
    tokens,
    triage,
    views,
    worklist,
)
from agent.web.api.document import DESCRIPTION, completed
from agent.web.api.problems import allow, conflicting, invalid, methods_at, outdated, problem, refused
from db.errors import ChangedError, RefusedError

BASE: Final = "/api/v1"
_VERSION: Final = "1.0.0"
_ROUTERS: Final = (
    worklist.router,
    views.router,
    studies.router,
    reading.router,
    quarantine.router,
    files.router,
    deliveries.router,
    destinations.router,
    jobs.router,
    peers.router,
    system.router,
    configuration.router,
    triage.router,
    models.router,
    drift.router,
    feedback.router,
    own_account.router,
    people.router,
    tokens.router,
    audit.router,
)


class Api(FastAPI):
    """FastAPI within the site: what fails is answered at the site's edge, and HEAD as GET (RFC 9110 9.3.2)."""

    def openapi(self) -> dict[str, Any]:
        """Return the whole document."""
        return whole_document()

    def problem(self, scope: Scope, status: int, sentence: str) -> Response:
        """Return what is answered to a request that the site's edge refuses."""
        allowed = methods_at(whole_document(), scope["path"].removeprefix(BASE))
        return problem(status, sentence, allow(allowed) if status == HTTPStatus.METHOD_NOT_ALLOWED else None)

    def build_middleware_stack(self) -> ASGIApp:
        """Return what an endpoint is reached by: what it raises goes on to the edge, except for refusals."""
        return ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}  # the server sends no body for it
        await super().__call__(scope, receive, send)


def make_api() -> Api:
    """Return the API. Whoever mounts it gives it the site's `state`, which both share."""
    api = Api(
        title="Tibabu",
        version=_VERSION,
        description=DESCRIPTION,
        servers=[{"url": BASE}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            HTTPException: refused,
            ChangedError: outdated,
            RefusedError: conflicting,
            RequestValidationError: invalid,
        },
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    for router in _ROUTERS:
        api.include_router(router)
    api.add_api_route("/openapi.json", _document, include_in_schema=False)
    return api


@cache
def whole_document() -> dict[str, Any]:
    """Return the document of the API: whoever serves it, it is the same, and making it takes a quarter of a second."""
    return completed(deepcopy(FastAPI.openapi(make_api())))


async def _document(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())
