"""The page of the audit trail: searched by form, since who is searched for must not stand in an address."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import AUDIT_READ
from agent.web import audit, times, trail
from agent.web.access import Address
from agent.web.forms import form_of, number_in
from agent.web.services import page, services_of
from db.audit_search import AuditQuery, Place, search
from db.audit_terms import EventAction, EventId

_HERE: Final = "/audit"
_PER_PAGE: Final = 50


def show_audit(request: Request) -> Response:
    """Show the latest events."""
    return _shown(request, {})


def search_audit(request: Request) -> Response:
    """Show the events that are searched for, or those after them."""
    return _shown(request, form_of(request))


def _shown(request: Request, form: Mapping[str, str]) -> Response:
    services = services_of(request)
    trail.seen(request, EventId.AUDIT_LOG_USED, action=EventAction.READ, detail="search" if form else "latest")
    query, problem = _query(form, services.zone)
    found = search(services.database, query, after=_place(form), limit=_PER_PAGE)
    return page(
        request,
        "audit.html",
        updated=times.exact(services.clock(), services.zone),
        here=_HERE,
        done="",
        form=audit.kept(form),
        problem=problem,
        events=audit.EVENTS,
        rows=[audit.shown(row, services.zone) for row in found.rows],
        next=found.next,
        is_first="after_id" not in form,
    )


def _query(form: Mapping[str, str], zone: tzinfo | None) -> tuple[AuditQuery, str]:
    event = form.get("event", "")
    since, until = (_time(form.get(name, ""), zone) for name in ("since", "until"))
    unread = [
        word
        for word, name, found in (("from", "since", since), ("until", "until", until))
        if form.get(name) and found is None
    ]
    query = AuditQuery(
        person=form.get("person") or None,
        source=form.get("source") or None,
        study_instance_uid=form.get("study") or None,
        patient_id=form.get("patient") or None,
        event=EventId(event) if event in set(EventId) else None,
        failures=form.get("failures") == "1",
        since=since,
        until=until,
    )
    return query, f"Not understood as a time, and not asked about: {', '.join(unread)}" if unread else ""


def _time(text: str, zone: tzinfo | None) -> datetime | None:
    """Return a time of this place; None for none, and for what is none."""
    try:
        found = datetime.fromisoformat(text)
        here = found if found.tzinfo else found.replace(tzinfo=zone) if zone else found.astimezone()
        return here.astimezone(UTC)
    except (ValueError, OverflowError):  # also of the first and the last hours that there are, in another zone
        return None


def _place(form: Mapping[str, str]) -> Place | None:
    number, at = number_in(form, "after_id"), _time(form.get("after_at", ""), UTC)
    return None if number is None or at is None else Place(at, number)


ADDRESSES: Final = (
    Address("GET", _HERE, show_audit, AUDIT_READ),
    Address("POST", _HERE, search_audit, AUDIT_READ),
)
