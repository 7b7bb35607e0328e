"""The state of the system: what is done periodically, the disks, which destinations rest. It names no patient."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import SYSTEM_READ, SYSTEM_WRITE
from agent.web import drift, listing, system, times
from agent.web.access import Address, person_of
from agent.web.services import Services, page, services_of
from db.breaker import rests
from db.disks import disks
from db.drift import drift_alarms
from db.ticks import ticks


def show_system(request: Request) -> Response:
    """Show what is done periodically, the disks, and which destinations rest."""
    services = services_of(request)
    now, zone = services.clock(), services.zone
    return system_page(
        request,
        "system.html",
        ticks=[system.shown_tick(row, now, zone) for row in ticks(services.database)],
        disks=[system.shown_disk(disk, zone) for disk in disks(services.database)],
        resting=resting(services),
        alarms=[drift.shown_alarm(alarm, zone) for alarm in drift_alarms(services.database)],
    )


def system_page(request: Request, template: str, **values: object) -> Response:
    """Return one of the operator's pages: with what they share."""
    services = services_of(request)
    return page(
        request,
        template,
        updated=times.exact(services.clock(), services.zone),
        here=request.url.path,
        done=system.done_text(request.query_params),
        may_change=person_of(request).may(SYSTEM_WRITE),
        **values,
    )


def resting(services: Services) -> list[listing.RestingDestination]:
    """Return the destinations to which nothing is sent for now, in words."""
    return [listing.resting(rest, services.zone) for rest in rests(services.database, only_open=True)]


ADDRESSES: Final = (Address("GET", "/system", show_system, SYSTEM_READ),)
