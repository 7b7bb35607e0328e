"""The addresses of DICOMweb (PS3.18 10) and what answers at each. Without a token with the right scope nothing does."""

from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from agent.dicomweb import search, subscriptions, workitems
from agent.dicomweb.access import NOT_ALLOWED, Access
from agent.dicomweb.edge import Edge
from agent.dicomweb.frames import frames
from agent.dicomweb.metadata import bulkdata, metadata
from agent.dicomweb.problems import ProblemError, problem
from agent.dicomweb.rendered import rendered, thumbnail
from agent.dicomweb.retrieve import retrieve
from agent.dicomweb.services import BASE, Services
from agent.dicomweb.store import store

NOTHING_HERE: Final = "expected an address of DICOMweb. Received: another"

_STUDY: Final = "/studies/{study}"
_SERIES: Final = _STUDY + "/series/{series}"
_INSTANCE: Final = _SERIES + "/instances/{instance}"
_TASK: Final = "/workitems/{workitem}"

ADDRESSES: Final[tuple[tuple[str, str, Callable[..., Any]], ...]] = (
    ("POST", "/studies", store),
    ("POST", _STUDY, store),
    ("GET", "/studies", search.studies),
    ("GET", "/series", search.series),
    ("GET", "/instances", search.instances),
    ("GET", _STUDY + "/series", search.series),
    ("GET", _STUDY + "/instances", search.instances),
    ("GET", _SERIES + "/instances", search.instances),
    ("GET", _STUDY, retrieve),
    ("GET", _SERIES, retrieve),
    ("GET", _INSTANCE, retrieve),
    ("GET", _STUDY + "/metadata", metadata),
    ("GET", _SERIES + "/metadata", metadata),
    ("GET", _INSTANCE + "/metadata", metadata),
    ("GET", _INSTANCE + "/frames/{frames}", frames),
    ("GET", _INSTANCE + "/bulkdata/{where:path}", bulkdata),
    ("GET", _INSTANCE + "/rendered", rendered),
    ("GET", _INSTANCE + "/frames/{frames}/rendered", rendered),
    ("GET", _STUDY + "/thumbnail", thumbnail),
    ("GET", _SERIES + "/thumbnail", thumbnail),
    ("GET", _INSTANCE + "/thumbnail", thumbnail),
    ("GET", _INSTANCE + "/frames/{frames}/thumbnail", thumbnail),
    ("GET", "/workitems", workitems.search),
    ("POST", "/workitems", workitems.create),
    ("GET", _TASK, workitems.retrieve),
    ("POST", _TASK, workitems.update),
    ("PUT", _TASK + "/state", workitems.change_state),
    ("PUT", _TASK + "/state/{requester}", workitems.change_state),
    ("POST", _TASK + "/cancelrequest", workitems.request_cancellation),
    ("POST", _TASK + "/cancelrequest/{requester}", workitems.request_cancellation),
    ("POST", _TASK + "/subscribers/{subscriber}", subscriptions.subscribe),
    ("DELETE", _TASK + "/subscribers/{subscriber}", subscriptions.unsubscribe),
    ("POST", _TASK + "/subscribers/{subscriber}/suspend", subscriptions.suspend),
    ("GET", "/subscribers/{subscriber}", subscriptions.no_upgrade),
)
"""Method, address below the base, and what answers."""


class _Address(Route):
    """A route that leaves its template in the request, for the log: the address itself is the peer's text."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return match, found if match is Match.NONE else {**found, "template": self.path}


def make_site(services: Services, *, allowed_origins: tuple[str, ...] = ()) -> Starlette:
    """Return the ASGI application. Pages of `allowed_origins` may ask from browsers (CORS)."""
    site = Starlette(
        routes=[_Address(BASE + path, endpoint, methods=[method]) for method, path, endpoint in ADDRESSES],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=allowed_origins,
                allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
                allow_headers=("Authorization", "Content-Type", "Accept", "If-None-Match"),
                expose_headers=("ETag", "Warning", "Content-Location", "Retry-After", "WWW-Authenticate"),
            ),
            Middleware(Edge, limits=services.limits),
            Middleware(Access, database=services.database, clock=services.clock),
        ],
        exception_handlers={HTTPException: _refused, ProblemError: _said},
    )
    site.router.redirect_slashes = False
    site.state.services = services
    return site


def _refused(_request: Request, error: Any) -> Response:  # noqa: ANN401 - Starlette's signature
    detail = NOT_ALLOWED if error.status_code == 405 else NOTHING_HERE  # noqa: PLR2004 - an HTTP status
    return problem(error.status_code, detail, error.headers)


def _said(_request: Request, error: Any) -> Response:  # noqa: ANN401 - Starlette's signature
    return problem(error.status, error.detail, error.headers)
