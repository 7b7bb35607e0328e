"""The worklist's page: the studies in the order in which they should be read."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import WORKLIST_READ
from agent.web import listing, system, times, trail
from agent.web.access import Address
from agent.web.services import page, services_of
from agent.web.system_pages import resting
from db.disks import disks
from db.ticks import ticks
from db.worklist import worklist, worklist_counts


def show_worklist(request: Request) -> Response:
    """Show the studies in the order in which they should be read."""
    services = services_of(request)
    now, zone = services.clock(), services.zone
    counts = worklist_counts(services.database, now=now)
    paging = listing.paging(request.query_params.get("page", "1"), counts.studies)
    trail.searched(request, "worklist")
    rows = worklist(services.database, limit=listing.PER_PAGE, offset=paging.offset)
    return page(
        request,
        "worklist.html",
        updated=times.exact(now, zone),
        summary=listing.summary(counts, now),
        paging=paging,
        warnings=list(system.warnings(ticks(services.database), disks(services.database), now)),
        resting=resting(services),
        studies=[listing.listed(row, paging.offset + n, now, zone) for n, row in enumerate(rows, 1)],
    )


ADDRESSES: Final = (Address("GET", "/", show_worklist, WORKLIST_READ),)
