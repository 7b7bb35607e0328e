"""The pages of studies in quarantine, and of those whose patient is in doubt: a person says whose they are."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import WORKLIST_READ, WORKLIST_WRITE
from agent.web import contested, quarantine, times, trail
from agent.web.access import Address, person_of
from agent.web.forms import form_of
from agent.web.objects import NO_STUDY, record_of, uid_of
from agent.web.reading_pages import WRONG_FORM, seen, told, words
from agent.web.services import page, services_of
from agent.web.trail import acting
from db.errors import RefusedError
from db.quarantine import MOST, Decision, in_conflict, quarantined
from db.quarantine import settle_doubt as settle
from db.reading_record import reading_record


def show_quarantine(request: Request) -> Response:
    """Show the studies that wait for a person to say whose they are."""
    services = services_of(request)
    now, zone = services.clock(), services.zone
    trail.searched(request, "quarantine")
    rows = quarantined(services.database)
    lines = [quarantine.quarantine_line(row, now, zone) for row in rows]
    return page(request, "quarantine.html", updated=times.exact(now, zone), studies=lines, most=MOST)


def show_conflict(request: Request) -> Response:
    """Show both identities of one study side by side, and what may be decided."""
    services, record = services_of(request), record_of(request, uid_of(request, "study_instance_uid"))
    uid = record.study.study_instance_uid
    trail.viewed(request, uid, "conflict of identity")
    reading = reading_record(services.database, uid)
    if reading is None:
        raise HTTPException(404, NO_STUDY)
    found = in_conflict(services.database, uid)
    known = [(one, contested.identified(services, one)) for one in found[: quarantine.SHOWN]]
    said = [(one, None if who is None else who.patient) for one, who in known]
    others = {who["patient_id"] for _, who in said if who is not None} - {record.study.patient_id}
    trail.viewed_too(request, uid, others, "conflict of identity: another patient")
    return page(
        request,
        "conflict.html",
        updated=times.exact(services.clock(), services.zone),
        study_instance_uid=uid,
        reading=reading,
        may_act=person_of(request).may(WORKLIST_WRITE),
        identity=quarantine.identity_of_study(record.study, reading.issuer_of_patient_id),
        conflicts=quarantine.conflict_lines(said, services.zone),
        more=max(len(found) - quarantine.SHOWN, 0),
        objects=contested.objects_of(found),
    )


def decide(request: Request) -> Response:
    """Record whose the objects in conflict are."""
    form, shown = form_of(request), seen(request)
    if form.get("decision") not in set(Decision):
        raise RefusedError(WRONG_FORM)
    decided = contested.Decided(
        decision=Decision(form["decision"]), objects=form.get("objects", ""), reason=words(request, "reason")
    )
    contested.decide(services_of(request), shown, acting(request), decided)
    return RedirectResponse(f"/studies/{shown.study_instance_uid}?done=resolved#reading", 303)


def settle_doubt(request: Request) -> Response:
    """Record that the study's patient is right."""
    shown = seen(request)
    settle(services_of(request).database, shown, acting(request), reason=words(request, "reason"))
    return RedirectResponse(f"/studies/{shown.study_instance_uid}?done=resolved#reading", 303)


_OF_STUDY: Final = "/quarantine/{study_instance_uid}"
ADDRESSES: Final = (
    Address("GET", "/quarantine", show_quarantine, WORKLIST_READ),
    Address("GET", _OF_STUDY, show_conflict, WORKLIST_READ),
    Address("POST", f"{_OF_STUDY}/decide", told(decide), WORKLIST_WRITE),
    Address("POST", f"{_OF_STUDY}/settle", told(settle_doubt), WORKLIST_WRITE),
)
