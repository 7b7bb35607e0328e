"""Search in all studies. What is typed names patients: it comes in the body of a POST and stands in no address."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import WORKLIST_READ
from agent.web import listing, times, trail
from agent.web.access import Address
from agent.web.forms import form_of, number_in
from agent.web.services import page, services_of
from db.search import LONGEST, Found, search_studies


def ask_search(request: Request) -> Response:
    """Show the box to search in."""
    return _page(request, "", Found((), None), 1)


def show_found(request: Request) -> Response:
    """Show the studies that have what was typed, the latest first."""
    trail.searched(request, "search")
    form = form_of(request)
    typed = form.get("typed", "")[:LONGEST]
    found = search_studies(
        services_of(request).database, typed, limit=listing.PER_PAGE, before=number_in(form, "before")
    )
    return _page(request, typed, found, number_in(form, "first") or 1)


def _page(request: Request, typed: str, found: Found, first: int) -> Response:
    services = services_of(request)
    now, zone = services.clock(), services.zone
    return page(
        request,
        "search.html",
        updated=times.exact(now, zone),
        typed=typed,
        studies=[listing.listed(row, first + n, now, zone) for n, row in enumerate(found.rows)],
        before=found.before,
        first=first,
    )


ADDRESSES: Final = (
    Address("GET", "/search", ask_search, WORKLIST_READ),
    Address("POST", "/search", show_found, WORKLIST_READ),
)
