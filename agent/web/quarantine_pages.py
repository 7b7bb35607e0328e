"""The pages of studies in quarantine, and of those whose patient is in doubt: a person says whose they are."""

import hashlib
from collections.abc import Sequence
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import WORKLIST_READ, WORKLIST_WRITE
from agent.web import quarantine, times, trail
from agent.web.access import Address, person_of
from agent.web.forms import form_of
from agent.web.reading_pages import WRONG_FORM, acting, seen, told
from agent.web.services import page, services_of
from agent.web.study_pages import record_of
from db.errors import ChangedError, RefusedError
from db.identity import OF_PATIENT
from db.quarantine import ConflictInstance, Decision, Identified, Verdict, in_conflict, quarantined, resolve
from db.quarantine import settle_doubt as settle
from db.reading_record import reading_record
from dicom_io.errors import HeaderError, StoreError
from dicom_io.header import is_candidate, read_header

log = structlog.get_logger(__name__)

UNREADABLE: Final = "The file of an object in conflict cannot be read just now, so nobody can say whose it is."
MORE_CAME: Final = "Other objects are in conflict than when you saw it. Nothing was written. Look at it again."
OTHERS_HIDDEN: Final = (
    "Objects in conflict that are not listed name yet another patient: they can only be kept apart, all of them."
)


def show_quarantine(request: Request) -> Response:
    """Show the studies that wait for a person to say whose they are."""
    services = services_of(request)
    now, zone = services.clock(), services.zone
    trail.searched(request, "quarantine")
    rows = quarantined(services.database)
    lines = [quarantine.quarantine_line(row, now, zone) for row in rows]
    return page(request, "quarantine.html", updated=times.exact(now, zone), studies=lines)


def show_conflict(request: Request) -> Response:
    """Show both identities of one study side by side, and what may be decided."""
    services, record = services_of(request), record_of(request)
    uid = record.study.study_instance_uid
    trail.viewed(request, uid, "conflict of identity")
    reading = reading_record(services.database, uid)
    found = in_conflict(services.database, uid)
    known = [(one, _identified(request, one)) for one in found[: quarantine.SHOWN]]
    said = [(one, None if who is None else who.patient) for one, who in known]
    return page(
        request,
        "conflict.html",
        updated=times.exact(services.clock(), services.zone),
        study_instance_uid=uid,
        reading=reading,
        may_act=person_of(request).may(WORKLIST_WRITE),
        identity=quarantine.identity_of_study(record.study),
        conflicts=quarantine.conflict_lines(said, services.zone),
        more=max(len(found) - quarantine.SHOWN, 0),
        objects=_objects(found),
    )


def decide(request: Request) -> Response:
    """Record whose the objects in conflict are."""
    services, form = services_of(request), form_of(request)
    if form.get("decision") not in set(Decision):
        raise RefusedError(WRONG_FORM)
    decision, shown = Decision(form["decision"]), seen(request)
    found = in_conflict(services.database, shown.study_instance_uid)
    if form.get("objects") != _objects(found):  # the study's revision does not tell: only the first conflict changes it
        raise ChangedError(MORE_CAME)
    identified = [_identified(request, one) for one in found]
    if decision is not Decision.KEEP_APART and None in identified:
        raise RefusedError(UNREADABLE)
    if decision is not Decision.KEEP_APART and quarantine.names_others([one.patient for one in identified if one]):
        raise RefusedError(OTHERS_HIDDEN)
    nobody = dict.fromkeys(OF_PATIENT, "")
    verdict = Verdict(
        decision=decision,
        identified=[
            who or Identified(instance_id=one.id, is_candidate=False, patient=nobody)
            for one, who in zip(found, identified, strict=True)
        ],
        reason=form.get("reason", ""),
    )
    resolve(services.database, services.queue, shown, acting(request), verdict, allowances=services.allowances)
    return RedirectResponse(f"/studies/{shown.study_instance_uid}?done=resolved#reading", 303)


def settle_doubt(request: Request) -> Response:
    """Record that the study's patient is right."""
    shown = seen(request)
    settle(services_of(request).database, shown, acting(request), reason=form_of(request).get("reason", ""))
    return RedirectResponse(f"/studies/{shown.study_instance_uid}?done=resolved#reading", 303)


def _objects(found: Sequence[ConflictInstance]) -> str:
    """Return what stands for just these objects in a form."""
    return hashlib.sha256(" ".join(str(one.id) for one in found).encode()).hexdigest()[:32]


def _identified(request: Request, one: ConflictInstance) -> Identified | None:
    """Return what the file of an object says; None if it cannot be read."""
    try:
        with services_of(request).store.local(one.path) as path, path.open("rb") as file:
            header = read_header(file)
    except (StoreError, HeaderError, OSError) as error:
        log.warning("conflict_not_read", sop_instance_uid=one.sop_instance_uid, reason=type(error).__name__)
        return None
    patient = {name: getattr(header, name) for name in OF_PATIENT}
    return Identified(instance_id=one.id, is_candidate=is_candidate(header), patient=patient)


_OF_STUDY: Final = "/quarantine/{study_instance_uid}"
ADDRESSES: Final = (
    Address("GET", "/quarantine", show_quarantine, WORKLIST_READ),
    Address("GET", _OF_STUDY, show_conflict, WORKLIST_READ),
    Address("POST", f"{_OF_STUDY}/decide", told(decide), WORKLIST_WRITE),
    Address("POST", f"{_OF_STUDY}/settle", told(settle_doubt), WORKLIST_WRITE),
)
