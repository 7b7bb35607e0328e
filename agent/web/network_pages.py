"""The page of the network: peers with C-ECHO, destinations with a ping, and who has been here lately."""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import SYSTEM_READ, SYSTEM_WRITE
from agent.web import neighbours, system
from agent.web.access import Address
from agent.web.forms import form_of
from agent.web.services import services_of
from agent.web.system_pages import system_page
from agent.web.trail import who_asks
from db.association_log import ended_associations, open_associations
from db.neighbours import Asked, asked_neighbours, record_asked

_HERE: Final = "/system/network"


def show_network(request: Request) -> Response:
    """Show the peers and destinations of the configuration, and the associations."""
    services = services_of(request)
    now, zone = services.clock(), services.zone
    asked = asked_neighbours(services.database)
    listed = [neighbours.shown(one, asked.get((one.kind, one.name)), zone) for one in services.neighbours]
    return system_page(
        request,
        "network.html",
        peers=[one for one in listed if one.kind == neighbours.PEER],
        destinations=[one for one in listed if one.kind == neighbours.DESTINATION],
        open=[neighbours.shown_open(one, now, zone) for one in open_associations(services.database)],
        ended=[neighbours.shown_ended(one, zone) for one in ended_associations(services.database)],
    )


def ask(request: Request) -> Response:
    """Ask one of them whether it is there."""
    form = form_of(request)
    asked = asked_now(request, form.get("kind", ""), form.get("name", ""))
    if asked is None:
        raise HTTPException(404)
    return RedirectResponse(_HERE + system.done_query("answers" if asked.answers else "silent"), 303)


def asked_now(request: Request, kind: str, name: str) -> Asked | None:
    """Ask one, and record how it answers; None for one that is not configured or cannot be asked."""
    services = services_of(request)
    found = next((one for one in services.neighbours if (one.kind, one.name) == (kind, name)), None)
    if found is None or found.ask is None:
        return None
    began = time.monotonic()
    reason, who = found.ask(), who_asks(request)
    asked = Asked(
        kind=found.kind,
        name=found.name,
        at=services.clock(),
        answers=not reason,
        seconds=time.monotonic() - began,
        reason=reason,
        person=who.name,
    )
    record_asked(services.database, asked, who=who)
    return asked


ADDRESSES: Final = (
    Address("GET", _HERE, show_network, SYSTEM_READ),
    Address("POST", f"{_HERE}/ask", ask, SYSTEM_WRITE),
)
