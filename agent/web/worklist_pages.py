"""The worklist's page: the studies in the order in which they should be read."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import WORKLIST_READ
from agent.web import listing, system, times, trail, triage
from agent.web.access import Address
from agent.web.live import live_of
from agent.web.services import Services, fragment, page, services_of
from agent.web.system_pages import resting
from db.disks import disks
from db.ticks import ticks
from db.triage import triage_off
from db.worklist import worklist, worklist_counts


def show_worklist(request: Request) -> Response:
    """Show the studies in the order in which they should be read."""
    services = services_of(request)
    trail.searched(request, "worklist")
    view, make = _asked(request)
    part = live_of(request).parts.get(view, make)
    title = part.html.partition("<title>")[2].partition(" - ")[0]
    return page(
        request,
        "worklist.html",
        updated=times.exact(services.clock(), services.zone),
        part=part,
        view=view,
        title=title,
    )


def worklist_part(request: Request) -> Response:
    """Return what of the worklist is alike for all readers."""
    trail.searched(request, "worklist")
    return live_of(request).part(request, *_asked(request))


def worklist_stream(request: Request) -> Response:
    """Tell whenever the worklist looks different: of no patient."""
    return live_of(request).stream(*_asked(request))


def _asked(request: Request) -> tuple[str, Callable[[], str]]:
    """Return which view is asked for, by name, and what makes its shared part."""
    asked, services = request.query_params.get("page", "1"), services_of(request)
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < len("1000000000") else 1
    return f"page={number}", lambda: _part(services, number)


def _part(services: Services, number: int) -> str:
    now, zone = services.clock(), services.zone
    counts = worklist_counts(services.database, now=now)
    paging = listing.paging(str(number), counts.studies)
    rows = worklist(services.database, limit=listing.PER_PAGE, offset=paging.offset)
    summary = listing.summary(counts, now)
    counted = f"{summary.flagged}{summary.more} flagged, {summary.overdue}{summary.more} overdue"
    off = triage_off(services.database)
    return fragment(
        "worklist_part.html",
        person=None,
        triage_off=None if off is None else triage.banner(off, zone),
        title=f"{'' if off is None else 'Triage off, '}{counted}",
        summary=summary,
        paging=paging,
        warnings=list(system.warnings(ticks(services.database), disks(services.database), now)),
        resting=resting(services),
        studies=[listing.listed(row, paging.offset + n, now, zone) for n, row in enumerate(rows, 1)],
    )


ADDRESSES: Final = (
    Address("GET", "/", show_worklist, WORKLIST_READ),
    Address("GET", "/worklist/part", worklist_part, WORKLIST_READ),
    Address("GET", "/worklist/live", worklist_stream, WORKLIST_READ),
)
