"""Who saw and who changed what, said by an endpoint in one line. Every view of a patient stands in the audit trail.

A page that keeps itself up to date is one view, however often it is asked for: the same person at the same address
who goes on looking at the same thing is noted again after five minutes only.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from starlette.requests import Request

from agent.audit.lately import Memory
from agent.web.access import address_of, person_of
from agent.web.services import services_of
from db.audit import AuditEvent, Who, record
from db.audit_terms import EventAction, EventId, EventOutcome, EventType
from db.reading_acts import Acting


def who_asks(request: Request) -> Who:
    """Return who sends this request, for the audit trail: `db` functions that change something take it."""
    return Who(person_of(request).name, source=address_of(request))


def acting(request: Request) -> Acting:
    """Return who acts on a study by this request, and when."""
    return Acting(who_asks(request), services_of(request).clock())


def viewed(request: Request, study_instance_uid: str, what: str = "study's page") -> None:
    """Note that who asks is shown `what` of a study."""
    seen(request, EventId.INSTANCES_ACCESSED, study_instance_uid=study_instance_uid, detail=what)


def viewed_too(request: Request, study_instance_uid: str, patient_ids: Iterable[str], what: str) -> None:
    """Note that who asks is shown other patients with a study, each by their ID: they can be asked for by it."""
    for patient_id in sorted({*patient_ids} - {""}):
        seen(
            request,
            EventId.INSTANCES_ACCESSED,
            study_instance_uid=study_instance_uid,
            patient_id=patient_id,
            detail=what,
        )


def exported(request: Request, study_instance_uid: str, what: str) -> None:
    """Note that who asks takes `what` of a study away (PS3.15 A.5.3.6)."""
    seen(request, EventId.EXPORT, study_instance_uid=study_instance_uid, detail=what)


def searched(request: Request, what: str) -> None:
    """Note that who asks is shown a list of patients, as the worklist; `what` names the list and no patient."""
    seen(request, EventId.QUERY, action=EventAction.EXECUTE, detail=what)


def seen(
    request: Request,
    event: EventId,
    *,
    action: EventAction = EventAction.READ,
    type: EventType | None = None,  # noqa: A002 - the standard's word
    study_instance_uid: str = "",
    patient_id: str = "",
    detail: str = "",
) -> None:
    """Note anything that changes nothing, once in five minutes for as long as it goes on.

    Of a study its patient is looked up; `patient_id` names another one who was shown with it.
    """
    said = changed(request, event, action, type=type, study_instance_uid=study_instance_uid, detail=detail)
    _once(request, replace(said, patient_id=patient_id))


def changed(
    request: Request,
    event: EventId,
    action: EventAction,
    *,
    type: EventType | None = None,  # noqa: A002 - the standard's word
    study_instance_uid: str = "",
    detail: str = "",
) -> AuditEvent:
    """Return the event of a change that who asks makes now, for the transaction that makes it (`db.audit.note`)."""
    return AuditEvent(
        event=event,
        type=type,
        action=action,
        who=who_asks(request),
        at=services_of(request).clock(),
        study_instance_uid=study_instance_uid,
        detail=detail,
    )


def refused(request: Request, detail: str) -> None:
    """Note that who asks was refused what their account does not allow (PS3.15 A.5.3.12), once in five minutes."""
    restricted = EventType.USE_OF_RESTRICTED_FUNCTION
    said = changed(request, EventId.SECURITY_ALERT, EventAction.EXECUTE, type=restricted, detail=detail)
    _once(request, replace(said, outcome=EventOutcome.MINOR_FAILURE))


def _once(request: Request, said: AuditEvent) -> None:
    """Record what happens, unless it was within the last five minutes: nobody fills the trail by asking again."""
    memory: Memory = request.app.state.trail
    thing = replace(said, at=datetime.min.replace(tzinfo=UTC))
    if memory.is_new(thing, said.at):
        try:
            record(services_of(request).database, said)
        except BaseException:
            memory.forget(thing)
            raise
