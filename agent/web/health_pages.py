"""What machines ask of this one: whether its page serves, whether the agent can do its work, and its metrics."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent.tokens import SYSTEM_READ
from agent.web.access import ANYBODY, Address
from agent.web.services import Watch, services_of

_TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' own


async def alive(_request: Request) -> Response:
    """Say that this process serves, also while all its threads are busy."""
    return JSONResponse({"status": "alive"})


def ready(request: Request) -> Response:
    """Say how each part of the agent is: 503 while no study can be accepted."""
    found = _watch(request).look()
    return JSONResponse(found.document(), found.status)


def metrics(request: Request) -> Response:
    """Answer a scrape."""
    return Response(_watch(request).scrape(), media_type=_TEXT_FORMAT)


def _watch(request: Request) -> Watch:
    if (watch := services_of(request).watch) is None:
        raise HTTPException(404)
    return watch


ADDRESSES: Final = (
    Address("GET", "/healthz", alive, ANYBODY),
    Address("GET", "/readyz", ready, ANYBODY),
    Address("GET", "/metrics", metrics, SYSTEM_READ),
)
