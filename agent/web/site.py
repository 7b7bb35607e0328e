"""The site: its addresses, its files, and what becomes of a request that none of them answers."""

import threading
import time
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from agent.audit.lately import Memory
from agent.web import (
    account_addresses,
    api_pages,
    download_pages,
    feedback_pages,
    image_pages,
    operator_addresses,
    quarantine_pages,
    reading_pages,
    report_pages,
    search_pages,
    study_pages,
    trail,
    worklist_pages,
)
from agent.web.access import route
from agent.web.api.application import BASE, Api, make_api
from agent.web.edge import Edge
from agent.web.live import Live
from agent.web.pace import Pace
from agent.web.services import Services, page, plain_page, services_of

NOT_FOUND: Final = "There is no such page."
WHO: Final = "Only who is signed in may see this."
_TITLES: Final = {
    400: "This request is not for this page",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Somebody was first",
    410: "Not here any more",
    422: "Not possible",
    408: "Too slow",
    413: "Too large",
    429: "Too often",
    500: "Something went wrong",
    503: "Not available just now",
}

_SENTENCES: Final = {401: WHO, 404: NOT_FOUND, 405: NOT_FOUND}
"""What is said where whoever refuses says nothing better."""

ADDRESSES: Final = (
    *worklist_pages.ADDRESSES,
    *api_pages.ADDRESSES,
    *search_pages.ADDRESSES,
    *study_pages.ADDRESSES,
    *reading_pages.ADDRESSES,
    *quarantine_pages.ADDRESSES,
    *feedback_pages.ADDRESSES,
    *operator_addresses.ADDRESSES,
    *image_pages.ADDRESSES,
    *account_addresses.ADDRESSES,
    *report_pages.ADDRESSES,
    *download_pages.ADDRESSES,
)


class _Files(StaticFiles):
    """Static files, which a browser may keep as long as it asks whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


_LEVEL: Final = 4
"""Of compression: more of it takes longer than the bytes that it saves."""


def make_site(services: Services, stop: threading.Event | None = None) -> Starlette:
    """Return the ASGI application; its live pages end when `stop` is set. Whoever makes it closes its `state.live`."""
    api = make_api()
    pace = None if services.accounts is None else Pace(time.monotonic)
    site = Starlette(
        routes=[
            *(route(address) for address in ADDRESSES),
            Mount(BASE, api),
            Mount("/static", _Files(directory=Path(__file__).parent / "static")),
        ],
        middleware=[
            Middleware(Edge, problem=partial(_problem, api), identify=services.who, reach=services.reach, pace=pace),
            Middleware(GZipMiddleware, compresslevel=_LEVEL),
        ],
        exception_handlers={HTTPException: partial(_refused, api)},
    )
    site.router.redirect_slashes = False
    site.state.services = services
    site.state.trail = Memory()
    site.state.live = Live(services.database, stop or threading.Event(), services.clock, services.zone)
    api.state = site.state
    site.state.api = api
    return site


def _problem(api: Api, scope: Scope, status: int, sentence: str) -> Response:
    """Return what says what is wrong: a plain page, or the API's own kind of answer."""
    if scope["path"].startswith(f"{BASE}/"):
        return api.problem(scope, status, sentence)
    return plain_page("problem.html", status, title=_TITLES.get(status, "Not possible"), sentence=sentence)


def _refused(api: Api, request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    said = error.detail if isinstance(error, HTTPException) else ""
    if request.scope["path"].startswith(f"{BASE}/"):  # one with a line break, which no route of the site is for
        return api.problem(request.scope, status, "")
    if status == HTTPStatus.FORBIDDEN and request.state.person is not None:
        trail.refused(request, f"{request.method} {getattr(request.scope.get('route'), 'path', '')}")
    if status == HTTPStatus.UNAUTHORIZED and services_of(request).accounts is not None and _is_opened(request):
        return RedirectResponse(f"/sign-in?next={quote(request.url.path)}", HTTPStatus.SEE_OTHER)
    sentence = said if said.endswith(".") else _SENTENCES.get(status, NOT_FOUND)
    return page(request, "problem.html", status, title=_TITLES.get(status, "Not possible"), sentence=sentence)


def _is_opened(request: Request) -> bool:
    """Tell whether a person opens a page, rather than a script or a program asks."""
    is_page = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and is_page and request.headers.get("sec-fetch-dest", "document") == "document"
