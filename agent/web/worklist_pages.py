"""The worklist's pages: the studies in the order in which they should be read, and other views of them."""

import json
from collections.abc import Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import WORKLIST_READ
from agent.web import listing, system, times, trail, triage, views
from agent.web.access import Address, person_of
from agent.web.forms import form_of
from agent.web.image_pages import show_thumbnail
from agent.web.live import live_of
from agent.web.people import readable
from agent.web.services import Services, fragment, page, services_of
from agent.web.system_pages import resting
from db.disks import disks
from db.errors import RefusedError
from db.saved_views import MOST as MOST_VIEWS
from db.saved_views import forget_view, save_view, saved_views
from db.ticks import ticks
from db.triage import triage_off
from db.worklist import any_study
from db.worklist_counts import worklist_counts
from db.worklist_view import Show, counted_view

LONGEST_NAME: Final = 40
MOST_CHOICES: Final = 50
"""Modalities and senders that can be chosen: what peers call themselves is theirs."""

TOO_MANY: Final = f"There are {MOST_VIEWS} saved views already. Forget one first."
NO_NAME: Final = "A view needs a name."

_NO_PICTURE: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 44 44"><path d="M8 8h28v28H8zM8 36L36 8" fill="none" '
    b'stroke="#7d8a97" stroke-width="1.5"/></svg>'
)


def show_worklist(request: Request) -> Response:
    """Show the studies in the order in which they should be read, or those of another view."""
    services, person = services_of(request), person_of(request)
    trail.searched(request, "worklist")
    view, make = _asked(request)
    part = live_of(request).parts.get(view.key, make)
    saved = saved_views(services.database, person.name)
    return page(
        request,
        "worklist.html",
        updated=times.exact(services.clock(), services.zone),
        part=part,
        view=view,
        title=part.html.partition("<title>")[2].partition(" - ")[0],
        described=views.described(view),
        built_in=views.BUILT_IN,
        is_built_in=any(query == view.filters for _, query in views.BUILT_IN),
        saved_views=saved,
        saved_as=next((one for one in saved if one.query == view.filters), None),
        shown="" if view.wanted.show is Show.UNREAD else view.wanted.show.value,
        priority="" if view.wanted.priority is None else view.wanted.priority.name.lower(),
        choices=_choices(request, view),
    )


def worklist_part(request: Request) -> Response:
    """Return what of the worklist is alike for all readers."""
    trail.searched(request, "worklist")
    view, make = _asked(request)
    return live_of(request).part(request, view.key, make)


def worklist_stream(request: Request) -> Response:
    """Tell whenever the worklist looks different: of no patient."""
    view, make = _asked(request)
    return live_of(request).stream(view.key, make)


def show_picture(request: Request) -> Response:
    """Answer with the small picture of a study, or with one that says that there is none: a row shows one always."""
    try:
        return show_thumbnail(request)
    except HTTPException:
        return Response(_NO_PICTURE, media_type="image/svg+xml")


def keep_view(request: Request) -> Response:
    """Save a view under a name of who asks."""
    form, services = form_of(request), services_of(request)
    name, query = readable(form.get("name", ""), LONGEST_NAME), views.filters_of(form.get("query", ""))
    if not name:
        raise HTTPException(400, NO_NAME)
    try:
        save_view(services.database, trail.who_asks(request), name, query, at=services.clock())
    except RefusedError:
        raise HTTPException(409, TOO_MANY) from None
    return RedirectResponse(f"/?{query}", 303)


def drop_view(request: Request) -> Response:
    """Forget a view of who asks."""
    number = request.path_params["view_id"]
    if number.isascii() and number.isdigit() and len(number) < len("1000000000"):
        services = services_of(request)
        forget_view(services.database, trail.who_asks(request), int(number), at=services.clock())
    return RedirectResponse("/", 303)


def _asked(request: Request) -> tuple[views.View, Callable[[], str]]:
    """Return which view is asked for, and what makes its shared part."""
    services, view = services_of(request), views.view_of(request.query_params, person_of(request).name)
    return view, lambda: _part(services, view)


def _part(services: Services, view: views.View) -> str:
    now, zone, wanted = services.clock(), services.zone, view.wanted
    counts, seen = counted_view(services.database, wanted, now=now, limit=listing.PER_PAGE, after=view.after)
    summary = listing.summary(counts, now)
    off = triage_off(services.database)
    words = ", ".join(part for part in (views.SHOWN[wanted.show], views.described(view)) if part)
    counted = f"{summary.flagged}{summary.more} flagged, {summary.overdue}{summary.more} overdue"
    is_worklist = wanted.show is Show.UNREAD
    return fragment(
        "worklist_part.html",
        person=None,
        triage_off=None if off is None else triage.banner(off, zone),
        title=f"{'' if off is None else 'Triage off, '}{counted}",
        summary=summary,
        to_analyse=listing.waiting_for_analysis(services.queue.depth(now)),
        warnings=list(system.warnings(ticks(services.database), disks(services.database), now)),
        resting=resting(services),
        studies=[listing.listed(row, view.first + n, now, zone) for n, row in enumerate(seen.rows)],
        label=f"Studies, the next one to read first: {words}" if is_worklist else f"Studies, the latest first: {words}",
        is_worklist=is_worklist,
        filters=view.filters,
        first=view.first,
        later=None if seen.next is None else view.behind(seen.next, len(seen.rows)),
        any_study=bool(seen.rows) or any_study(services.database),
    )


def _choices(request: Request, view: views.View) -> dict[str, list[tuple[str, str]]]:
    """Return what can be chosen in each filter: as value and word."""
    services, wanted = services_of(request), view.wanted

    def counted() -> str:
        counts = worklist_counts(services.database, now=services.clock())
        return json.dumps([counts.modalities[:MOST_CHOICES], counts.senders[:MOST_CHOICES]])

    modalities, senders = json.loads(live_of(request).parts.get("choices", counted).html)
    return {
        "show": [(key.value, word) for key, word in views.SHOWN.items() if key is not Show.UNREAD],
        "outcome": list(views.OUTCOMES.items()),
        "priority": list(views.PRIORITIES.items()),
        "modality": _plain({*modalities, wanted.modality}),
        "sender": _plain({*senders, wanted.sender}),
        "age": [(key.value, word) for key, word in views.AGES.items()],
    }


def _plain(names: set[str]) -> list[tuple[str, str]]:
    """Return names as choices, without those that a peer has made to look like something else."""
    return [(one, one) for one in sorted(names - {""}) if readable(one, views.LONGEST) == one]


ADDRESSES: Final = (
    Address("GET", "/", show_worklist, WORKLIST_READ),
    Address("GET", "/worklist/part", worklist_part, WORKLIST_READ),
    Address("GET", "/worklist/live", worklist_stream, WORKLIST_READ),
    Address("GET", "/worklist/pictures/{study_instance_uid}", show_picture, WORKLIST_READ),
    Address("POST", "/worklist/views", keep_view, WORKLIST_READ),
    Address("POST", "/worklist/views/{view_id}/forget", drop_view, WORKLIST_READ),
)
